import type { Admission, LimitState, LimitsLeft, RateLeft, Refusal } from '@tensorloop/admission/admission.types';
import { formatUsd, type NanoUsd } from '@tensorloop/kernel/money';
import { type ApiError, apiError, unavailable } from '../errors/api-error.types.js';
import { type HeaderList, headersOf } from '../errors/header-list.types.js';
import { affordableTokens, type Quote } from './quote.service.js';

/** Holds are gone when their calls end; a client that waits this long will mostly find them gone. */
export const HELD_RETRY_MS = 1_000;
const BUSY_RETRY_SECONDS = 1;

/** Refusals that end the call. The rest are questions the gateway answers itself, and then asks again. */
export type FinalRefusal = Extract<
  Refusal,
  {
    reason:
      | 'key_revoked'
      | 'key_expired'
      | 'model_not_allowed'
      | 'pending_full'
      | 'rate_limited'
      | 'account_rate_limited'
      | 'budget_exceeded'
      | 'budget_held'
      | 'project_budget_exceeded'
      | 'project_budget_held'
      | 'daily_limit_reached'
      | 'daily_limit_held'
      | 'insufficient_balance'
      | 'balance_held'
      | 'parallel_limited'
      | 'tokens_limited';
  }
>;
type MoneyRefusal = Extract<FinalRefusal, { limit: LimitState }>;

export function isMoneyRefusal(refusal: FinalRefusal): refusal is MoneyRefusal {
  return 'limit' in refusal && typeof refusal.limit === 'object';
}

export function left({ limitNanoUsd, spentNanoUsd, heldNanoUsd }: LimitState): NanoUsd {
  const rest = limitNanoUsd - spentNanoUsd - heldNanoUsd;
  return rest > 0n ? rest : 0n;
}

/** "6m0s", "12ms": durations as Go prints them, which is how OpenAI writes x-ratelimit-reset-requests. */
export function goDuration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${milliseconds}ms`;
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor((milliseconds % 3_600_000) / 60_000);
  const seconds = (milliseconds % 60_000) / 1_000;
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds}s`;
}

function retryHeaders(milliseconds: number): Record<string, string> {
  return {
    'retry-after': String(Math.max(1, Math.ceil(milliseconds / 1_000))),
    'retry-after-ms': String(Math.max(1, Math.ceil(milliseconds))),
  };
}

/** Keys have the same few budgets and the same reset for 30 days, and each answer says both. Dropped as a whole when full. */
const TEXTS_REMEMBERED_MAX = 10_000;
const resetTexts = new Map<number, string>();
const limitTexts = new Map<NanoUsd, string>();

function remembered<Of>(texts: Map<Of, string>, of: Of, textOf: (of: Of) => string): string {
  let text = texts.get(of);
  if (text === undefined) {
    text = textOf(of);
    if (texts.size >= TEXTS_REMEMBERED_MAX) texts.clear();
    texts.set(of, text);
  }
  return text;
}

function isoTime(atMs: number): string {
  return new Date(atMs).toISOString();
}

export function listBudget(list: HeaderList, limit: LimitState, resetAtMs: number): HeaderList {
  list.push('x-tensorloop-budget-limit-usd', remembered(limitTexts, limit.limitNanoUsd, formatUsd));
  list.push('x-tensorloop-budget-spent-usd', formatUsd(limit.spentNanoUsd));
  list.push('x-tensorloop-budget-held-usd', formatUsd(limit.heldNanoUsd));
  list.push('x-tensorloop-budget-reset', remembered(resetTexts, resetAtMs, isoTime));
  return list;
}

/** Of the limit that is nearer: of the key, or of all keys of the account. */
export function listRate(list: HeaderList, rpm: RateLeft, accountRpm: RateLeft | null): void {
  const { limit, remaining, resetMs } = accountRpm !== null && accountRpm.remaining < rpm.remaining ? accountRpm : rpm;
  list.push('x-ratelimit-limit-requests', String(limit));
  list.push('x-ratelimit-remaining-requests', String(remaining));
  list.push('x-ratelimit-reset-requests', goDuration(resetMs));
}

/** Of a prepaid account, whose balance ends with its grants and not with time. */
function listBalance(list: HeaderList, balance: LimitState): HeaderList {
  list.push('x-tensorloop-balance-left-usd', formatUsd(left(balance)));
  list.push('x-tensorloop-balance-held-usd', formatUsd(balance.heldNanoUsd));
  return list;
}

/** Money that only some keys are limited in. */
function listExtraMoney(
  list: HeaderList,
  { balance, daily, projectBudget }: Omit<LimitsLeft, 'rpm' | 'accountRpm' | 'budget' | 'budgetResetMs'>,
): void {
  if (balance !== null) listBalance(list, balance);
  if (daily !== null) list.push('x-tensorloop-daily-left-usd', formatUsd(left(daily)));
  if (projectBudget !== null) list.push('x-tensorloop-project-left-usd', formatUsd(left(projectBudget)));
}

/** What an admitted call's answer says of the limits that only some keys have. */
export function listExtraLimits(list: HeaderList, { balance, daily, tokens, project }: Admission): void {
  if (tokens !== null) {
    list.push('x-ratelimit-limit-tokens', String(tokens.limit));
    list.push('x-ratelimit-remaining-tokens', String(tokens.remaining));
    list.push('x-ratelimit-reset-tokens', goDuration(tokens.resetMs));
  }
  listExtraMoney(list, { balance, daily, projectBudget: project?.budget ?? null });
}

/** What every refusal by a limit says beside its own: what is left of the others, as it stood when Redis refused. */
function leftHeaders(of: LimitsLeft, nowMs: number): Record<string, string> {
  const list: HeaderList = [];
  listRate(list, of.rpm, of.accountRpm);
  listBudget(list, of.budget, nowMs + of.budgetResetMs);
  listExtraMoney(list, of);
  return headersOf(list);
}

/** Who has made as many requests as it may, in words (spec TL-5, TS-7). */
const WHOSE_RATE = { rate_limited: 'This key', account_rate_limited: 'All keys of this account together' } as const;

function rateLimited(refusal: Extract<FinalRefusal, { retryAfterMs: number; remaining: 0 }>): ApiError {
  const headers = {
    ...retryHeaders(refusal.retryAfterMs),
    'x-ratelimit-limit-requests': String(refusal.limit),
    'x-ratelimit-remaining-requests': '0',
    'x-ratelimit-reset-requests': goDuration(refusal.resetMs),
  };
  return apiError(
    'rate_limit_exceeded',
    `${WHOSE_RATE[refusal.reason]} may make ${refusal.limit} requests in any 60 seconds. Try again in ${goDuration(refusal.retryAfterMs)}.`,
    { headers },
  );
}

/** A call ends when it ends, so the wait is a guess; the limit itself is exact. */
function parallelLimited({ limit }: Extract<FinalRefusal, { reason: 'parallel_limited' }>): ApiError {
  return apiError(
    'parallel_limit_exceeded',
    `This key may have ${limit} calls in flight at once. Try again when one has ended.`,
    { headers: retryHeaders(HELD_RETRY_MS) },
  );
}

function tokensLimited(refusal: Extract<FinalRefusal, { reason: 'tokens_limited' }>): ApiError {
  const { limit, used, asked, retryAfterMs, resetMs } = refusal;
  const headers = {
    'x-ratelimit-limit-tokens': String(limit),
    'x-ratelimit-remaining-tokens': String(Math.max(0, limit - used)),
    'x-ratelimit-reset-tokens': goDuration(resetMs),
  };
  const counted = `This key may use ${limit} tokens in any 60 seconds; this call counts as ${asked} until it ends`;
  if (retryAfterMs === null) {
    return apiError('tokens_limit_exceeded', `${counted}, which never fits. Shorten the prompt or lower the output limit.`, {
      headers: { ...headers, 'x-should-retry': 'false' },
    });
  }
  return apiError('tokens_limit_exceeded', `${counted}. Try again in ${goDuration(retryAfterMs)}.`, {
    headers: { ...retryHeaders(retryAfterMs), ...headers },
  });
}

/** What would fit into the rest: worth saying only where the client chose its own limit. */
function fitting(quote: Quote, limit: LimitState): string {
  const rest = left(limit);
  const tokens = affordableTokens(quote, rest);
  if (tokens > 0) return ` $${formatUsd(rest)} is left, which pays for max_tokens of at most ${tokens}.`;
  return rest > 0n ? ` $${formatUsd(rest)} is left, which does not pay for this prompt.` : '';
}

/** Whose remainder is held, in words. */
const HELD = {
  budget_held: 'budget of this key',
  daily_limit_held: 'daily spending limit of this account',
  balance_held: 'prepaid balance of this account',
} as const;

function moneyHeld(refusal: MoneyRefusal & { reason: keyof typeof HELD }, quote: Quote): ApiError {
  const { limit, reason } = refusal;
  return apiError(
    reason,
    `What is left of the ${HELD[reason]} is held by calls in flight. Try again when they have ended.${fitting(quote, limit)}`,
    { headers: retryHeaders(HELD_RETRY_MS) },
  );
}

function limitReached(refusal: MoneyRefusal, quote: Quote): ApiError {
  const { limit, reason, nowMs, resetMs } = refusal;
  const resetAt = new Date(nowMs + resetMs).toISOString();
  const amount = `$${formatUsd(limit.limitNanoUsd)}`;
  const noRetry = { 'x-should-retry': 'false' };
  switch (reason) {
    case 'budget_exceeded': {
      const message = `The budget of this key (${amount} per 30 days) is spent or too small for this call; it resets at ${resetAt}.${fitting(quote, limit)}`;
      return apiError('insufficient_quota', message, { headers: noRetry });
    }
    case 'daily_limit_reached': {
      const message = `The daily spending limit of this account (${amount}) is reached; it resets at ${resetAt}.${fitting(quote, limit)}`;
      return apiError('daily_limit_reached', message, { headers: noRetry });
    }
    case 'insufficient_balance': {
      const message = `The prepaid balance of this account is spent or too small for this call. Add credit to go on.${fitting(quote, limit)}`;
      return apiError('insufficient_balance', message, { headers: noRetry });
    }
    case 'project_budget_exceeded': {
      const message = `The budget of the project "${refusal.projectName}" (${amount} per 30 days) is spent or too small for this call; it resets at ${resetAt}.${fitting(quote, limit)}`;
      return apiError('insufficient_quota', message, { headers: noRetry });
    }
    case 'project_budget_held': {
      const message = `What is left of the budget of the project "${refusal.projectName}" is held by calls in flight. Try again when they have ended.${fitting(quote, limit)}`;
      return apiError('budget_held', message, { headers: retryHeaders(HELD_RETRY_MS) });
    }
    default:
      return moneyHeld({ ...refusal, reason }, quote);
  }
}

/** A model by its id, and as the client named it: what an alias stands for is not told to keys that may not use it. */
interface AskedModel {
  model: string;
  askedModel: string;
}

/** The answer to a refused call (spec TL-3, TL-4, TL-5, TL-8, TS-4), with whose it was. */
export function refusalError(refusal: FinalRefusal, quote: Quote, { model, askedModel }: AskedModel): ApiError {
  const { accountId, keyId, attribution } = refusal;
  const error = answerTo(refusal, quote, askedModel);
  const told = refusal.reason === 'model_not_allowed' ? askedModel : model;
  const headers = 'left' in refusal ? { ...leftHeaders(refusal.left, refusal.nowMs), ...error.headers } : error.headers;
  return { ...error, headers, caller: { accountId, keyId, model: told, ...attribution } };
}

function answerTo(refusal: FinalRefusal, quote: Quote, askedModel: string): ApiError {
  switch (refusal.reason) {
    case 'key_revoked':
      return apiError('invalid_api_key', 'This API key has been revoked.');
    case 'key_expired':
      return apiError('invalid_api_key', 'This API key has expired. Mint a new one in the dashboard.');
    case 'model_not_allowed':
      return modelNotAllowed(askedModel);
    case 'pending_full':
      return unavailable(
        'account_busy',
        'Too many calls of this account wait to be metered. Try again shortly.',
        BUSY_RETRY_SECONDS,
      );
    case 'rate_limited':
    case 'account_rate_limited':
      return rateLimited(refusal);
    case 'parallel_limited':
      return parallelLimited(refusal);
    case 'tokens_limited':
      return tokensLimited(refusal);
    default:
      return limitReached(refusal, quote);
  }
}

/** One answer for a model outside the allowlist, whether it exists or not (spec TL-3, TL-8). */
export function modelNotAllowed(model: string): ApiError {
  return apiError(
    'model_not_allowed',
    `This key may not use the model "${model.slice(0, 128)}". Model ids are case- and dash-sensitive; GET /v1/models lists those it may use.`,
    { param: 'model' },
  );
}
