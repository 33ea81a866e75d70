import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { FoundKey } from './found-key.types.js';
import { limitsLeft } from './limits-left.js';

type Absence = Exclude<FoundKey, { found: true }>['reason'];
/** What `find-key.lua` returns; its header lists the fields. */
export type FoundKeyReply =
  | [outcome: 'found', nowMs: number, keyId: string, accountId: string, left: string, unknown: number, ...texts: string[]]
  | [outcome: Absence, nowMs: number, ...ids: string[]];

export function parseFoundKey(reply: FoundKeyReply): FoundKey {
  if (reply[0] !== 'found') return { found: false, reason: reply[0], nowMs: reply[1] };
  const [, nowMs, keyId, accountId, left, unknown, ...texts] = reply;
  const models = texts.slice(unknown);
  return {
    found: true,
    nowMs,
    keyId,
    accountId,
    models,
    left: limitsLeft(left),
    unknownScopes: texts.slice(0, unknown) as Scope[],
  };
}
