import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { Admission, AdmitResult, LimitState, Refusal } from './admission.types.js';
import type { ScriptValue } from './scripts.js';

function limitState(limit: ScriptValue, spent: ScriptValue, held: ScriptValue): LimitState {
  return { limitNanoUsd: BigInt(limit), spentNanoUsd: BigInt(spent), heldNanoUsd: BigInt(held) };
}

type NineNumbers = [number, number, number, number, number, number, number, number, number, ...number[]];
type ExtraLimits = Pick<Admission, 'balance' | 'tokens' | 'parallel'>;
const NO_EXTRA_LIMITS: ExtraLimits = { balance: null, tokens: null, parallel: null };

/** Limits that few keys have, and that the script lists only for those. */
function extraLimits(fields: number[], windowMs: number): ExtraLimits {
  const [balance, spent, held, tokens, left, counted, parallel, inFlight] = fields as NineNumbers;
  return {
    balance: balance < 0 ? null : limitState(balance, spent, held),
    tokens: tokens < 0 ? null : { limit: tokens, remaining: left, resetMs: windowMs, counted },
    parallel: parallel < 0 ? null : { limit: parallel, inFlight },
  };
}

function admission(fields: ScriptValue[]): Admission {
  const [at, keyId, accountId, index, start, day, hold, ...rest] = fields as [
    number,
    string,
    string,
    number,
    number,
    string,
    number,
    ...number[],
  ];
  const [rpmLimit, rpmLeft, rpmReset, budget, spent, held, dayLimit, daySpent, dayHeld, ...extra] = rest as NineNumbers;
  return {
    admitted: true,
    admittedAtMs: at,
    keyId,
    accountId,
    windowIndex: index,
    windowStartMs: start,
    day,
    holdNanoUsd: BigInt(hold),
    rpm: { limit: rpmLimit, remaining: rpmLeft, resetMs: rpmReset },
    budget: limitState(budget, spent, held),
    daily: dayLimit < 0 ? null : limitState(dayLimit, daySpent, dayHeld),
    ...(extra.length === 0 ? NO_EXTRA_LIMITS : extraLimits(extra, rpmReset)),
  };
}

/** Reads the flat array that `admit.lua` returns; its header lists the fields. */
export function parseAdmitReply(reply: ScriptValue[]): AdmitResult {
  const [outcome, ...fields] = reply as [string, ...ScriptValue[]];
  if (outcome === 'admitted') return admission(fields);
  const [nowMs, keyId, accountId, ...rest] = fields as [number, string, string, ...ScriptValue[]];
  const about = { admitted: false as const, nowMs };
  const reason = outcome as Refusal['reason'];
  switch (reason) {
    case 'unknown_epoch':
    case 'unknown_key':
      return { ...about, reason };
    case 'unknown_scope':
      return { ...about, reason, keyId, accountId, scopes: rest as Scope[] };
    case 'rate_limited': {
      const [limit, retryAfterMs, resetMs] = rest as [number, number, number];
      return { ...about, reason, keyId, accountId, limit, remaining: 0, retryAfterMs, resetMs };
    }
    case 'parallel_limited': {
      const [limit, inFlight] = rest as [number, number];
      return { ...about, reason, keyId, accountId, limit, inFlight };
    }
    case 'tokens_limited': {
      const [limit, used, asked, retryMs, resetMs] = rest as [number, number, number, number, number];
      const retryAfterMs = retryMs < 0 ? null : retryMs;
      return { ...about, reason, keyId, accountId, limit, used, asked, retryAfterMs, resetMs };
    }
    case 'budget_exceeded':
    case 'budget_held':
    case 'daily_limit_reached':
    case 'daily_limit_held':
    case 'insufficient_balance':
    case 'balance_held': {
      const [limit, spent, held, resetMs] = rest as [number, number, number, number];
      return { ...about, reason, keyId, accountId, limit: limitState(limit, spent, held), resetMs };
    }
    case 'key_revoked':
    case 'key_expired':
    case 'model_not_allowed':
    case 'price_moved':
    case 'pending_full':
      return { ...about, reason, keyId, accountId };
    default:
      throw new Error(`admit.lua answered with an unknown outcome: ${String(reason satisfies never)}`);
  }
}
