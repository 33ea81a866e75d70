import { BALANCE_SCOPE, dayScope, projectScope, type Scope, windowScope } from '@tensorloop/contracts/settle-ack';
import { type BudgetWindow, budgetWindow, DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';
import type { Redis } from 'ioredis';
import type { LimitState } from './admission.types.js';
import { CLOCK_MARGIN_MS } from './clock-margin.js';
import { RPM_WINDOW_MS } from './recent-admissions.js';
import {
  ALL_KEYS,
  accountKey,
  keyPrefix,
  lostCallsKey,
  lostTokensKey,
  projectionKey,
  rateKey,
  scopeKey,
} from './redis-keys.js';
import { scriptText } from './scripts.js';

/** What counts in a rolling minute. */
export interface RateStatus {
  limit: number;
  used: number;
  /** Unix ms at which more is left than now; null while nothing counts. */
  nextPlaceAtMs: number | null;
}

/** What a key may do, and how much of it is used at one instant. */
export interface KeyStatus {
  keyId: string;
  accountKind: 'metered' | 'prepaid';
  mintedAtMs: number;
  expiresAtMs: number;
  window: BudgetWindow;
  /** Unix ms at which the account's day ends. */
  dayEndMs: number;
  rpm: RateStatus;
  tokens: RateStatus | null;
  parallel: { limit: number; inFlight: number } | null;
  budget: LimitState;
  daily: LimitState | null;
  balance: LimitState | null;
  /** Of all keys of the account together. */
  accountRpm: RateStatus | null;
  project: ProjectStatus | null;
}

export interface ProjectStatus {
  id: string;
  name: string;
  window: BudgetWindow;
  /** Null: no budget caps it. */
  budget: LimitState | null;
}

export type KeyStatusResult =
  | { known: true; status: KeyStatus }
  /** These totals must be fetched from metering first. None named: the key's projection is gone. */
  | { known: false; scopes: Scope[] };

interface Names {
  window: Scope;
  windowBefore: Scope | null;
  day: Scope;
  project: Scope | null;
}

type Row = (string | null)[];
const KEY_FIELDS = ['keyId', 'kind', 'mintedAtMs', 'expiresAtMs', 'budget', 'rpm', 'dailyLimit', 'tpm', 'parallel'] as const;
const MORE_FIELDS = ['accountRpm', 'projectId', 'projectName', 'projectStart', 'projectBudget'] as const;
const SCOPE_FIELDS = ['total', 'version', 'settled', 'held', 'limit', 'calls'] as const;

const RATE_USED = scriptText('rate-used', ['entry', 'rate-log']);

/** Reads what admission would find for a key at `nowMs` (Redis TIME), without admitting anything. */
export async function readKeyStatus(
  redis: Redis,
  { accountTag, keyHash }: { accountTag: string; keyHash: string },
  nowMs: number,
): Promise<KeyStatusResult> {
  const key = await redis.hmget(projectionKey(accountTag, keyHash), ...KEY_FIELDS, ...MORE_FIELDS);
  const [keyId, kind, minted, expires, budget, rpm, daily, tpm, parallel, accountRpm, ...ofProject] = key;
  if (!keyId || !minted || !budget) return { known: false, scopes: [] };
  const window = budgetWindow(Number(minted), nowMs);
  const project = projectAt(ofProject, nowMs);
  const names: Names = {
    window: windowScope(keyId, window.index),
    windowBefore: window.index === 0 ? null : windowScope(keyId, window.index - 1),
    day: dayScope(utcDay(nowMs)),
    project: project?.scope ?? null,
  };
  const read = await readUse(redis, { accountTag, keyId, names, rpm, accountRpm }, nowMs);
  const dayStartMs = nowMs - (nowMs % DAY_MS);
  const scopes: [Scope, Row, number | null, string | null | undefined][] = [
    [names.window, read.window, window.startMs, budget],
    ...(project?.budget
      ? [[project.scope, read.project, project.window.startMs, project.budget] as [Scope, Row, number, string]]
      : []),
    ...(daily ? [[names.day, read.day, dayStartMs, daily] as [Scope, Row, number, string]] : []),
    ...(kind === 'prepaid' ? [[BALANCE_SCOPE, read.balance, null, read.balance[4]] as [Scope, Row, null, string | null]] : []),
  ];
  const states = new Map(
    scopes.map(([scope, row, beganMs, limit]) => [scope, limitState(row, { beganMs, limit }, read.openedMs)]),
  );
  const unknown = [...states].filter(([, state]) => state === null).map(([scope]) => scope);
  if (unknown.length > 0) return { known: false, scopes: unknown };
  return {
    known: true,
    status: {
      keyId,
      accountKind: kind === 'prepaid' ? 'prepaid' : 'metered',
      mintedAtMs: Number(minted),
      expiresAtMs: Number(expires),
      window,
      dayEndMs: dayStartMs + DAY_MS,
      rpm: rateStatus(Number(rpm), read.calls),
      tokens: tpm ? tokenStatus(Number(tpm), usedTokens(read, nowMs)) : null,
      parallel: parallel ? { limit: Number(parallel), inFlight: read.inFlight } : null,
      budget: states.get(names.window) as LimitState,
      daily: states.get(names.day) ?? null,
      balance: states.get(BALANCE_SCOPE) ?? null,
      accountRpm: accountRpm ? rateStatus(Number(accountRpm), read.callsOfAccount) : null,
      project:
        project === null ? null : { ...project.about, window: project.window, budget: states.get(project.scope) ?? null },
    },
  };
}

function projectAt([id, name, start, budget]: (string | null)[], nowMs: number) {
  if (!id || !start) return null;
  const window = budgetWindow(Number(start), nowMs);
  return { about: { id, name: name ?? '' }, window, budget, scope: projectScope(id, window.index) };
}

function rateStatus(limit: number, [used, leavesMs]: RateUsed): RateStatus {
  return { limit, used, nextPlaceAtMs: leavesMs < 0 ? null : leavesMs };
}

interface UsedTokens {
  tokens: number;
  /** When they count no more. */
  leaveMs: number;
}

/** Those of the log, whose members are 'request id|tokens' and their times in turn; and, as admission does, those that gateways reported. */
function usedTokens({ tokenLog, tokensLost, tokensLostMs, openedMs }: Use, nowMs: number): UsedTokens[] {
  const used: UsedTokens[] = [];
  for (let at = 0; at < tokenLog.length; at += 2) {
    const member = tokenLog[at] as string;
    const tokens = Number(member.slice(member.lastIndexOf('|') + 1));
    used.push({ tokens, leaveMs: Number(tokenLog[at + 1]) + RPM_WINDOW_MS });
  }
  const lost = nowMs - openedMs < RPM_WINDOW_MS ? tokensLost.reduce((sum, count) => sum + Number(count), 0) : 0;
  if (lost > 0) used.push({ tokens: lost, leaveMs: nowMs + Math.max(0, tokensLostMs) });
  return used.sort((one, other) => one.leaveMs - other.leaveMs);
}

function tokenStatus(limit: number, log: UsedTokens[]): RateStatus {
  const used = log.reduce((sum, { tokens }) => sum + tokens, 0);
  const full = Math.min(limit, used);
  let rest = used;
  for (const { tokens, leaveMs } of log) {
    rest -= tokens;
    if (rest < full) return { limit, used, nextPlaceAtMs: leaveMs };
  }
  return { limit, used, nextPlaceAtMs: null };
}

/** Null when unknown: by the rule of admit.lua, a total is zero only where the scope began within this epoch. */
function limitState(
  [total, version, settled, held]: Row,
  { beganMs, limit }: { beganMs: number | null; limit: string | null | undefined },
  openedMs: number,
): LimitState | null {
  const isNew = !version && beganMs !== null && beganMs > openedMs + CLOCK_MARGIN_MS;
  if (!limit || (!total && !isNew)) return null;
  return {
    limitNanoUsd: BigInt(limit),
    spentNanoUsd: BigInt(total ?? '0') + BigInt(settled ?? '0'),
    heldNanoUsd: BigInt(held ?? '0'),
  };
}

/** What rate-used.lua answers. */
type RateUsed = [used: number, leavesMs: number];

interface UseAsk {
  accountTag: string;
  keyId: string;
  names: Names;
  rpm: string | null | undefined;
  accountRpm: string | null | undefined;
}

type UseReply = [Row, Row, Row, Row, string | null, RateUsed, string[], Row, RateUsed, string[], number];

interface Use {
  window: Row;
  day: Row;
  balance: Row;
  project: Row;
  openedMs: number;
  calls: RateUsed;
  callsOfAccount: RateUsed;
  inFlight: number;
  tokenLog: string[];
  /** By gateway, of the minute before Redis was lost; and for how many ms more. */
  tokensLost: string[];
  tokensLostMs: number;
}

function rateKeys(accountTag: string, id: string): [string, string, string] {
  return [rateKey(accountTag, id), lostCallsKey(accountTag, id), accountKey(accountTag)];
}

/** One MULTI, so that all of it is of one instant. */
async function readUse(redis: Redis, { accountTag, keyId, names, rpm, accountRpm }: UseAsk, nowMs: number): Promise<Use> {
  const prefix = keyPrefix(accountTag);
  const since = `(${nowMs - RPM_WINDOW_MS}`;
  const replies = await redis
    .multi()
    .hmget(scopeKey(accountTag, names.window), ...SCOPE_FIELDS)
    .hmget(scopeKey(accountTag, names.windowBefore ?? names.window), 'calls')
    .hmget(scopeKey(accountTag, names.day), ...SCOPE_FIELDS)
    .hmget(scopeKey(accountTag, BALANCE_SCOPE), ...SCOPE_FIELDS)
    .hget(accountKey(accountTag), 'epochOpenedMs')
    .eval(RATE_USED, 3, ...rateKeys(accountTag, keyId), nowMs, rpm ?? '')
    .zrangebyscore(`${prefix}tpm:${keyId}`, since, '+inf', 'WITHSCORES')
    .hmget(scopeKey(accountTag, names.project ?? names.window), ...SCOPE_FIELDS)
    .eval(RATE_USED, 3, ...rateKeys(accountTag, ALL_KEYS), nowMs, accountRpm ?? '')
    .hvals(lostTokensKey(accountTag, keyId))
    .pttl(lostTokensKey(accountTag, keyId))
    .exec();
  if (replies === null) throw new Error('Redis gave no answer to a transaction');
  const values = replies.map(([error, value]) => {
    if (error) throw error;
    return value;
  });
  const [window, before, day, balance, openedMs, calls, tokenLog, project, callsOfAccount, tokensLost, tokensLostMs] =
    values as UseReply;
  const inFlight = Number(window[5] ?? '0') + (names.windowBefore === null ? 0 : Number(before[0] ?? '0'));
  const ofTokens = { tokenLog, tokensLost, tokensLostMs };
  return { window, day, balance, project, openedMs: Number(openedMs), calls, callsOfAccount, inFlight, ...ofTokens };
}
