import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { Tags } from '@tensorloop/contracts/tags';
import type { NanoUsd } from '@tensorloop/kernel/money';

/** One call that asks to be admitted. */
export interface AdmitRequest {
  accountTag: string;
  keyHash: string;
  /** UUIDv7, minted by the gateway. The same id again gets the same answer. */
  requestId: string;
  gatewayId: string;
  model: string;
  /** Worst-case price: what is held when it fits. */
  holdNanoUsd: NanoUsd;
  /** Least hold that makes sense. Equal to `holdNanoUsd` unless the gateway can clamp the output to what is granted. */
  holdMinNanoUsd: NanoUsd;
  /** Interval [from, to) of the price version that the holds were computed with; to = null when open. */
  priceFromMs: number;
  priceToMs: number | null;
  /** What the call counts against a token limit until it is settled. Left out: it counts nothing. */
  tokens?: TokenBound;
}

/** Tokens of a call, prompt and output. */
export interface TokenBound {
  worst: number;
  /** With the output cut as far as it can be; equal to `worst` when it cannot. */
  least: number;
}

/** How full a limit is. `spentNanoUsd` = committed total + settled and not yet committed; `heldNanoUsd` = calls in flight. */
export interface LimitState {
  limitNanoUsd: NanoUsd;
  spentNanoUsd: NanoUsd;
  heldNanoUsd: NanoUsd;
}

/** Requests in a rolling minute. `resetMs`: until none of them counts any more. */
export interface RateLeft {
  limit: number;
  remaining: number;
  resetMs: number;
}

/**
 * What a key's limits leave when one of them refuses a call, for which nothing is counted, or when nobody asked for one. Null: there is
 * no such limit, or Redis does not know what was spent of it.
 */
export interface LimitsLeft {
  rpm: RateLeft;
  accountRpm: RateLeft | null;
  budget: LimitState | null;
  /** Until the window of the budget ends. */
  budgetResetMs: number;
  daily: LimitState | null;
  balance: LimitState | null;
  projectBudget: LimitState | null;
}

export interface Admission {
  admitted: true;
  /** Redis TIME, Unix ms. Freezes window, day and price of the call. For a repeated request id: the first admission's. */
  admittedAtMs: number;
  keyId: string;
  accountId: string;
  windowIndex: number;
  windowStartMs: number;
  /** UTC day, "2026-11-21". */
  day: string;
  /** What is held: at most the worst case, at least the least hold. */
  holdNanoUsd: NanoUsd;
  rpm: { limit: number; remaining: number; resetMs: number };
  /** The key's budget, this call's hold included. */
  budget: LimitState;
  /** The account's daily limit, or null when it has none. */
  daily: LimitState | null;
  /** What a prepaid account was granted and has spent; null for a metered one. */
  balance: LimitState | null;
  /** The key's tokens per rolling minute, this call's `counted` ones included; null without such a limit. */
  tokens: { limit: number; remaining: number; resetMs: number; counted: number } | null;
  /** The key's calls in flight, this one included; null without such a limit. */
  parallel: { limit: number; inFlight: number } | null;
  /** Requests of all keys of the account in a rolling minute; null without such a limit. */
  accountRpm: { limit: number; remaining: number; resetMs: number } | null;
  /** Of the project that the key is in; null where it is in none. */
  project: AdmittedProject | null;
  /** The key's; null = none. */
  tags: Tags | null;
}

/** Frozen at admission, as the key's own window is. */
export interface ProjectWindow {
  id: string;
  windowIndex: number;
  windowStartMs: number;
}

export interface AdmittedProject extends ProjectWindow {
  /** Its budget, this call's hold included; null where none caps it. */
  budget: LimitState | null;
}

/** Whom a refused call is attributed to, as its key says. */
export interface Attribution {
  projectId?: string;
  tags?: Tags;
}

/** Why a call was not admitted. `nowMs` is Redis TIME. */
export type Refusal = RefusalReason & { attribution?: Attribution };

type RefusalReason =
  /** This Redis process does not hold the account's state (flushed, restarted, new account): rebuild it, answer 503 meanwhile. */
  | { admitted: false; reason: 'unknown_epoch'; nowMs: number }
  /** No projection of this key: ask the control plane once. */
  | { admitted: false; reason: 'unknown_key'; nowMs: number }
  | { admitted: false; reason: 'key_revoked' | 'key_expired'; nowMs: number; keyId: string; accountId: string }
  | { admitted: false; reason: 'model_not_allowed'; nowMs: number; keyId: string; accountId: string; left: LimitsLeft }
  /** The price version does not apply at `nowMs`: price again and retry. */
  | { admitted: false; reason: 'price_moved'; nowMs: number; keyId: string; accountId: string }
  /** The account has too many unacknowledged calls (100,000): 503. */
  | { admitted: false; reason: 'pending_full'; nowMs: number; keyId: string; accountId: string; left: LimitsLeft }
  /** Fetch these totals from metering, seed them and retry. */
  | {
      admitted: false;
      reason: 'unknown_scope';
      nowMs: number;
      keyId: string;
      accountId: string;
      left: LimitsLeft;
      scopes: Scope[];
    }
  | {
      admitted: false;
      /** `account_…`: of all keys of the account together. */
      reason: 'rate_limited' | 'account_rate_limited';
      nowMs: number;
      keyId: string;
      accountId: string;
      left: LimitsLeft;
      limit: number;
      remaining: 0;
      /** Exact: until the key's limit and the account's both have a place. */
      retryAfterMs: number;
      resetMs: number;
    }
  /** As many calls of the key are in flight as may be. */
  | {
      admitted: false;
      reason: 'parallel_limited';
      nowMs: number;
      keyId: string;
      accountId: string;
      left: LimitsLeft;
      limit: number;
      inFlight: number;
    }
  | {
      admitted: false;
      reason: 'tokens_limited';
      nowMs: number;
      keyId: string;
      accountId: string;
      left: LimitsLeft;
      limit: number;
      used: number;
      asked: number;
      /** Null: the call counts more than the whole limit and never fits. */
      retryAfterMs: number | null;
      resetMs: number;
    }
  | {
      admitted: false;
      /** `…_held`: it would fit were it not for calls in flight. `resetMs`: until the window or day ends; 0 for a balance, which never does. */
      reason:
        | 'budget_exceeded'
        | 'budget_held'
        | 'daily_limit_reached'
        | 'daily_limit_held'
        | 'insufficient_balance'
        | 'balance_held';
      nowMs: number;
      keyId: string;
      accountId: string;
      left: LimitsLeft;
      limit: LimitState;
      resetMs: number;
    }
  | {
      admitted: false;
      reason: 'project_budget_exceeded' | 'project_budget_held';
      nowMs: number;
      keyId: string;
      accountId: string;
      left: LimitsLeft;
      limit: LimitState;
      resetMs: number;
      projectName: string;
    };
export type AdmitResult = Admission | Refusal;

/** `missing`: this Redis has no such entry (lost, released or acknowledged); the journal still has it, and a rebuild brings it back. */
export type SettleResult = {
  outcome: 'settled' | 'already_settled' | 'missing';
  amountNanoUsd: NanoUsd /** Cut off: the amount stood above the hold. */;
  excessNanoUsd: NanoUsd;
};
export type ReleaseResult = { outcome: 'released' | 'already_settled' | 'missing'; amountNanoUsd: NanoUsd };

/** A pending amount: what a call holds (`held`) or has cost (`settled`) until metering's totals include it. */
export interface PendingEntry {
  requestId: string;
  state: 'held' | 'settled';
  amountNanoUsd: NanoUsd;
  /** What was held at admission; at least the amount. */
  holdNanoUsd: NanoUsd;
  keyId: string;
  windowIndex: number;
  windowStartMs: number;
  day: string;
  admittedAtMs: number;
  /** It counts in the account's balance as well. */
  isPrepaid?: boolean;
  /** It was admitted under a cap on the key's calls in flight and counts there while held. */
  isParallelCounted?: boolean;
  /** It counts in this window of its key's project as well. */
  project?: ProjectWindow;
}

/** What one gateway re-asserts of one account. */
export interface Reassertion {
  accountTag: string;
  rebuildId: string;
  gatewayId: string;
  entries: PendingEntry[];
  /** Calls this gateway admitted in the last 60 s per key id (`RecentAdmissions`). */
  recentByKey: ReadonlyMap<string, number>;
  /** Tokens counted for those calls, of keys with a token limit. */
  recentTokensByKey?: ReadonlyMap<string, number>;
}

export type OpenEpochResult =
  | { outcome: 'opened' | 'open'; openedAtMs: number }
  /** Another rebuild is in progress, or none: begin again. */
  | { outcome: 'stale' }
  | { outcome: 'waiting'; missingGatewayIds: string[] };

/** An entry of the open set as Redis holds it. */
export interface OpenEntry {
  requestId: string;
  state: 'held' | 'settled';
  amountNanoUsd: NanoUsd;
  windowScope: Scope;
  dayScope: Scope;
  gatewayId: string;
  admittedAtMs: number;
  holdNanoUsd: NanoUsd;
  /** Null: its key was in no project. */
  projectScope: Scope | null;
  isPrepaid: boolean;
  isParallelCounted: boolean;
  /** What it counts against the key's token limit until it is settled; null without one. */
  tokensCounted: number | null;
}

export interface ScopeState {
  scope: Scope;
  /** Null when unknown to this Redis. */
  totalNanoUsd: NanoUsd | null;
  version: number | null;
  heldNanoUsd: NanoUsd;
  settledNanoUsd: NanoUsd;
  /** Of a balance: the sum of the grants. */
  limitNanoUsd: NanoUsd | null;
  /** Of a window: calls in flight that were admitted under a cap. */
  callsInFlight: number;
}

export interface AccountState {
  accountTag: string;
  /** Run id of the Redis process the state belongs to; null when not open. */
  epoch: string | null;
  epochOpenedMs: number | null;
  scopes: ScopeState[];
  open: OpenEntry[];
}

/** The connection does not lead to a Redis process that is known: answer 503. Nothing was sent. */
export class AdmissionUnavailableError extends Error {
  override readonly name = 'AdmissionUnavailableError';
  constructor() {
    super('Redis is not connected, so admission is not possible');
  }
}
