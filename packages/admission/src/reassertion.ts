import { dayScope, projectScope, windowScope } from '@tensorloop/contracts/settle-ack';
import { DAY_MS, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import type { PendingEntry, Reassertion } from './admission.types.js';
import { ALL_KEYS } from './redis-keys.js';
import { scriptAmount } from './script-amount.js';
import type { ScriptValue } from './scripts.js';

/** Entries, and key counts, per run of `reassert`: Lua can unpack and Redis can serve this many in about a millisecond. */
export const REASSERT_CHUNK = 300;

function entryArgs(entry: PendingEntry): ScriptValue[] {
  return [
    entry.requestId,
    entry.state === 'held' ? 'h' : 's',
    scriptAmount(entry.amountNanoUsd, 'the pending amount'),
    windowScope(entry.keyId, entry.windowIndex),
    dayScope(entry.day),
    entry.admittedAtMs,
    scriptAmount(entry.holdNanoUsd, 'the hold'),
    entry.windowStartMs + WINDOW_MS,
    Date.parse(entry.day) + DAY_MS,
    (entry.isPrepaid === true ? 'b' : '') + (entry.isParallelCounted === true ? 'c' : ''),
    ...(entry.project === undefined ? ['', 0] : projectArgs(entry.project)),
  ];
}

function projectArgs({ id, windowIndex, windowStartMs }: NonNullable<PendingEntry['project']>): ScriptValue[] {
  return [projectScope(id, windowIndex), windowStartMs + WINDOW_MS];
}

/** The arguments of each run of `reassert`; only the last one sets the mark. There is always at least one. */
export function reassertChunks(reassertion: Reassertion): ScriptValue[][] {
  const { recentByKey, recentTokensByKey } = reassertion;
  const recent = [...recentByKey].map(([keyId, calls]) => [keyId, calls, recentTokensByKey?.get(keyId) ?? 0]);
  const all = [...recentByKey.values()].reduce((sum, calls) => sum + calls, 0);
  if (all > 0) recent.push([ALL_KEYS, all, 0]);
  const runs = Math.max(1, Math.ceil(Math.max(reassertion.entries.length, recent.length) / REASSERT_CHUNK));
  return Array.from({ length: runs }, (_, run) => {
    const part = <T>(list: T[]): T[] => list.slice(run * REASSERT_CHUNK, (run + 1) * REASSERT_CHUNK);
    const entries = part(reassertion.entries);
    return [run === runs - 1 ? '1' : '0', entries.length, ...entries.flatMap(entryArgs), ...part(recent).flat()];
  });
}
