import type { Admission, LimitState, LimitsLeft, RateLeft } from '@tensorloop/admission/admission.types';
import type { FoundKey } from '@tensorloop/admission/found-key.types';
import { formatUsd, type NanoUsd } from '@tensorloop/kernel/money';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { type HeaderList, headersOf } from '../errors/header-list.types.js';
import type { JsonAnswer } from '../errors/send-json.service.js';

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

const NOTHING = formatUsd(0n);

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

/** What an answer to what was not admitted says: that it cost nothing, and what the limits of its key leave at `nowMs` (Redis TIME). */
export function leftHeaders(of: LimitsLeft, nowMs: number): Record<string, string> {
  const list: HeaderList = ['x-tensorloop-cost-usd', NOTHING];
  listRate(list, of.rpm, of.accountRpm);
  if (of.budget !== null) listBudget(list, of.budget, nowMs + of.budgetResetMs);
  listExtraMoney(list, of);
  return headersOf(list);
}

/** A key by which something was asked that is not admitted. */
export type OwnKey = Extract<FoundKey, { found: true }>;

/** The answer to something that is not admitted. */
export function answerWithLeft(content: object | ApiError, key: OwnKey): JsonAnswer | ApiError {
  return isApiError(content) ? withLeft(content, key) : { content, headers: leftHeaders(key.left, key.nowMs) };
}

/** What is wrong with a request whose key is known says as well what that key has left. */
export function withLeft(problem: ApiError, { left: of, nowMs }: Pick<OwnKey, 'left' | 'nowMs'>): ApiError {
  return { ...problem, headers: { ...leftHeaders(of, nowMs), ...problem.headers } };
}
