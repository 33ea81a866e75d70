import {
  type Admission,
  AdmissionUnavailableError,
  type AdmitResult,
  type Refusal,
} from '@tensorloop/admission/admission.types';
import type { AdmissionClient } from '@tensorloop/admission/admission-client';
import { ScriptTimeoutError } from '@tensorloop/admission/deadline';
import type { FoundKey } from '@tensorloop/admission/found-key.types';
import type { RecentAdmissions } from '@tensorloop/admission/recent-admissions';
import type { NanoUsd } from '@tensorloop/kernel/money';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { passedMs, RUNNING_CLOCKS, type RunningClocks, readClocks } from '../lifetime/running-clocks.types.js';
import type { EpochRecovery } from '../recovery/epoch-recovery.service.js';
import type { RedisWrites } from '../settlement/redis-writes.service.js';
import type { AccountRestoring } from './account-restoring.service.js';
import { admissionDown, lookupDown, overloaded, stateUnknown, unknownKey } from './admission-problems.service.js';
import type { InFlight } from './in-flight.service.js';
import type { KeyLookup } from './key-lookup.js';
import type { KnownKeys } from './known-keys.js';
import { left, leftHeaders, type OwnKey, withLeft } from './limits-left.service.js';
import type { Quote } from './quote.service.js';
import type { RedisClock } from './redis-clock.service.js';
import { type FinalRefusal, isMoneyRefusal, refusalError, refusedKey } from './refusals.service.js';
import type { TotalsLookup, TotalsWanted } from './totals-lookup.js';
import { WaitingLine } from './waiting-line.js';

/**
 * Rounds of asking Redis for one call: lost epoch, unknown key, unknown totals, a moved price and a counted prompt, each once,
 * and a spare.
 */
export const ROUNDS_MAX = 7;
/** Far above any deadline for Redis, and below what fences a gateway. */
const ADMISSION_MS_MAX = 20_000;

export interface KeyIdentity {
  accountTag: string;
  keyHash: string;
}

/** The worst case at the price in force at that instant. */
export type QuoteAt = (redisNowMs: number) => Quote | ApiError;

/** What a call was refused for that costs too much at worst. */
export interface MoneyLeft {
  accountId: string;
  leftNanoUsd: NanoUsd;
  nowMs: number;
}

export interface AdmissionAsk {
  key: KeyIdentity;
  requestId: string;
  model: string;
  /** The model as the client named it, by an alias perhaps. */
  askedModel: string;
  quoteAt: QuoteAt;
  /** Words the refusal of a call that has no price: whose key it is was not looked at yet. */
  unquoted: (problem: ApiError) => Promise<ApiError>;
  /** Asked once when the worst case does not fit into what is left: a closer bound, or null when there is none. */
  quoteCloser?: (refusal: MoneyLeft) => Promise<QuoteAt | null>;
}

export interface GateParts {
  gatewayId: string;
  admission: AdmissionClient;
  keys: KeyLookup;
  totals: TotalsLookup;
  epochs: EpochRecovery;
  writes: RedisWrites;
  inFlight: InFlight;
  recent: RecentAdmissions;
  clock: RedisClock;
  known: Pick<KnownKeys, 'note'>;
  restoring: Pick<AccountRestoring, 'epochIsLost'>;
  clocks?: RunningClocks;
  /** A wait for admission, in ms, that nobody minds. */
  waitMs: number;
}

/** Called with the admission in the same turn of the event loop in which it arrived; what it does is part of admitting. */
export type OnAdmitted<Call> = (admission: Admission, quote: Quote) => Call;

/** Redis did not answer or was not reached; an answer that is an error is the call's own matter, and so is what came after it. */
function isSilent(error: unknown): boolean {
  return error instanceof AdmissionUnavailableError || error instanceof ScriptTimeoutError;
}

type BalanceRefusal = Refusal & { reason: 'insufficient_balance' | 'balance_held' };

function isBalanceSpent(refusal: Refusal): refusal is BalanceRefusal {
  return refusal.reason === 'insufficient_balance' || refusal.reason === 'balance_held';
}

/** Only where money is what is lacking: counting tokens helps against no other limit. */
async function closerQuote({ quoteCloser }: AdmissionAsk, refusal: FinalRefusal): Promise<QuoteAt | null> {
  if (quoteCloser === undefined || !isMoneyRefusal(refusal)) return null;
  return quoteCloser({ accountId: refusal.accountId, leftNanoUsd: left(refusal.limit), nowMs: refusal.nowMs });
}

/**
 * The way through admission: one script, asked again only when Redis lacked something that the gateway can fetch. When in doubt
 * it refuses: nothing is ever served on a guess about money.
 */
export class AdmissionGate {
  private readonly clocks: RunningClocks;
  private readonly line: WaitingLine;
  private tellWait: (waitedMs: number) => void = () => undefined;

  constructor(private readonly parts: GateParts) {
    this.clocks = parts.clocks ?? RUNNING_CLOCKS;
    this.line = new WaitingLine(parts.waitMs);
  }

  /** Calls that ask Redis or wait to: not those that wait for what an account lacks there. */
  get waiting(): number {
    return this.line.size;
  }

  /** Whether a call that comes now would be one too many. */
  refuses(): boolean {
    return this.line.refuses();
  }

  /** Calls back with how long each script took, this process's own lateness in reading the answer included. */
  onAnswered(tell: (waitedMs: number) => void): void {
    this.tellWait = tell;
  }

  async admit<Call>(ask: AdmissionAsk, onAdmitted: OnAdmitted<Call>): Promise<Call | ApiError> {
    const { clock } = this.parts;
    let { quoteAt } = ask;
    let quote = quoteAt(clock.nowMs());
    let isBalanceFresh = false;
    let isClosest = false;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      if (isApiError(quote)) return ask.unquoted(quote);
      const waits = round === 0 ? this.line.enter() : this.line.enterAgain();
      const turn = waits === null ? 'ask' : await waits;
      if (turn !== 'ask') return turn === 'late' ? overloaded() : admissionDown();
      const answer = await this.askOnce(ask, quote, onAdmitted);
      if ('call' in answer) return answer.call;
      if ('error' in answer) return answer.error;
      const { refusal } = answer;
      if (refusal.reason === 'price_moved') quote = quoteAt(refusal.nowMs);
      else if (refusal.reason === 'unknown_epoch' || refusal.reason === 'unknown_key' || refusal.reason === 'unknown_scope') {
        const problem = await this.fetchMissing(ask.key, refusal);
        if (problem !== null) return problem;
      } else if (isBalanceSpent(refusal) && !isBalanceFresh && (await this.hasNewBalance(ask, refusal))) isBalanceFresh = true;
      else {
        const closer = isClosest ? null : await closerQuote(ask, refusal);
        if (closer === null) return this.refused(ask, refusal satisfies FinalRefusal, quote);
        isClosest = true;
        quoteAt = closer;
        quote = quoteAt(refusal.nowMs);
      }
    }
    return stateUnknown();
  }

  /** Identity and models of a key, for what costs nothing, and as much of what it has left as Redis knows. */
  async findKey(key: KeyIdentity): Promise<OwnKey | ApiError> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      let found: FoundKey;
      try {
        found = await this.parts.admission.findKey(key.accountTag, key.keyHash);
      } catch {
        return admissionDown();
      }
      this.parts.clock.note(found.nowMs);
      if (found.found) return found;
      const { reason, nowMs } = found;
      if (reason === 'key_revoked' || reason === 'key_expired') return refusedKey(reason);
      const problem = await this.fetchMissing(key, { admitted: false, reason, nowMs });
      if (problem !== null) return problem;
    }
    return admissionDown();
  }

  /** The same; what Redis lacks is asked for, but not waited for long. */
  async findKeyWithLeft(key: KeyIdentity): Promise<OwnKey | ApiError> {
    const found = await this.findKey(key);
    if (isApiError(found) || found.unknownScopes.length === 0) return found;
    const { accountId, nowMs, unknownScopes: scopes } = found;
    if (!(await this.parts.totals.seedSoon({ accountTag: key.accountTag, accountId, scopes, askedAtMs: nowMs }))) return found;
    const again = await this.parts.admission.findKey(key.accountTag, key.keyHash).catch(() => null);
    // Nobody loses an answer for what it could have said besides, or waits for more than that one look.
    if (again === null) return found;
    if (again.found) return again;
    return again.reason === 'key_revoked' || again.reason === 'key_expired' ? refusedKey(again.reason) : found;
  }

  /** Whether there is such a model is not told to a key that may not use it, and so not by which limits its answer knows either. */
  private async refused(ask: AdmissionAsk, refusal: FinalRefusal, quote: Quote): Promise<ApiError> {
    const error = refusalError(refusal, quote, ask);
    if (refusal.reason !== 'model_not_allowed') return error;
    const found = await this.findKeyWithLeft(ask.key);
    return isApiError(found) ? error : { ...error, headers: { ...error.headers, ...leftHeaders(found.left, found.nowMs) } };
  }

  /** Fetches totals that Redis lacks; true = it has them now. For reading what an account has spent without spending. */
  fetchTotals(wanted: TotalsWanted): Promise<boolean> {
    return this.parts.totals.seed(wanted);
  }

  /** Asks for grants that Redis has not heard of; true = there was news. */
  refreshBalance(wanted: Omit<TotalsWanted, 'scopes'>): Promise<boolean> {
    return this.parts.totals.learnBalance(wanted);
  }

  /** A grant that was made since is news to Redis only when somebody asks. */
  private hasNewBalance({ key }: AdmissionAsk, { accountId, nowMs }: BalanceRefusal): Promise<boolean> {
    return this.refreshBalance({ accountTag: key.accountTag, accountId, askedAtMs: nowMs });
  }

  /** Leaves the line when it is answered. */
  private async askOnce<Call>(
    ask: AdmissionAsk,
    quote: Quote,
    onAdmitted: OnAdmitted<Call>,
  ): Promise<{ call: Call } | { error: ApiError } | { refusal: Refusal }> {
    const { inFlight, recent, clock, writes, known } = this.parts;
    const { accountTag } = ask.key;
    inFlight.enter(accountTag);
    const sentAtMs = performance.now();
    const askedAtMs = readClocks(this.clocks);
    try {
      const result = await this.runScript(ask, quote);
      clock.note(result.admitted ? result.admittedAtMs : result.nowMs);
      if (!result.admitted) return { refusal: result };
      // An answer out of the time before this process stood still, or its machine slept: the hold may be gone with an epoch
      // that others rebuilt.
      if (passedMs(askedAtMs, readClocks(this.clocks)) > ADMISSION_MS_MAX) throw new Error('the admission is too old');
      recent.note(accountTag, result.keyId, result.admittedAtMs);
      known.note(ask.key, result);
      if (result.tokens !== null) recent.noteTokens(accountTag, result.keyId, result.tokens.counted);
      return { call: onAdmitted(result, quote) };
    } catch (error) {
      // The script may have run although its answer did not come: the hold, if there is one, is given back.
      if (!(error instanceof AdmissionUnavailableError)) void writes.release(accountTag, ask.requestId);
      if (isSilent(error)) this.line.disband();
      return { error: admissionDown() };
    } finally {
      inFlight.leave(accountTag);
      this.tellWait(performance.now() - sentAtMs);
      this.line.leave();
    }
  }

  private runScript(ask: AdmissionAsk, quote: Quote): Promise<AdmitResult> {
    return this.parts.admission.admit({
      accountTag: ask.key.accountTag,
      keyHash: ask.key.keyHash,
      requestId: ask.requestId,
      gatewayId: this.parts.gatewayId,
      model: ask.model,
      holdNanoUsd: quote.holdNanoUsd,
      holdMinNanoUsd: quote.holdMinNanoUsd,
      priceFromMs: quote.price.effectiveFromMs,
      priceToMs: quote.price.effectiveToMs,
      tokens: quote.tokens,
    });
  }

  private async fetchMissing(
    key: KeyIdentity,
    refusal: Extract<Refusal, { reason: 'unknown_epoch' | 'unknown_key' | 'unknown_scope' }>,
  ): Promise<ApiError | null> {
    if (refusal.reason === 'unknown_scope') {
      const isSeeded = await this.parts.totals.seed({
        accountTag: key.accountTag,
        accountId: refusal.accountId,
        scopes: refusal.scopes,
        askedAtMs: refusal.nowMs,
      });
      return isSeeded ? null : withLeft(stateUnknown(), refusal);
    }
    if (refusal.reason === 'unknown_epoch') this.parts.restoring.epochIsLost(key.keyHash);
    // Before an account's state is rebuilt the key must be known to exist: made-up keys must not make state.
    const found = await this.parts.keys.lookUp(key.accountTag, key.keyHash);
    if (found === 'absent') return unknownKey();
    if (found === 'unavailable') return lookupDown();
    if (refusal.reason === 'unknown_key') return null;
    return (await this.parts.epochs.rebuild(key.accountTag)) ? null : stateUnknown();
  }
}
