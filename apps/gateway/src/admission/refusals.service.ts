import type { LimitState, Refusal } from '@tensorloop/admission/admission.types';
import { formatUsd } from '@tensorloop/kernel/money';
import { type ApiError, apiError, unavailable } from '../errors/api-error.types.js';
import { goDuration, left, leftHeaders } from './limits-left.service.js';
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

function retryHeaders(milliseconds: number): Record<string, string> {
  return {
    'retry-after': String(Math.max(1, Math.ceil(milliseconds / 1_000))),
    'retry-after-ms': String(Math.max(1, Math.ceil(milliseconds))),
  };
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
    case 'key_expired':
      return refusedKey(refusal.reason);
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

/** To a key that was good once. */
export function refusedKey(reason: 'key_revoked' | 'key_expired'): ApiError {
  return reason === 'key_revoked'
    ? apiError('invalid_api_key', 'This API key has been revoked.')
    : apiError('invalid_api_key', 'This API key has expired. Mint a new one in the dashboard.');
}

/** One answer for a model outside the allowlist, whether it exists or not (spec TL-3, TL-8). */
export function modelNotAllowed(model: string): ApiError {
  return apiError(
    'model_not_allowed',
    `This key may not use the model "${model.slice(0, 128)}". Model ids are case- and dash-sensitive; GET /v1/models lists those it may use.`,
    { param: 'model' },
  );
}
