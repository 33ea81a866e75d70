import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { Tags } from '@tensorloop/contracts/tags';
import type { Admission, AdmitResult, AdmittedProject, Attribution, LimitState, Refusal } from './admission.types.js';
import type { ScriptValue } from './scripts.js';

function limitState(limit: ScriptValue, spent: ScriptValue, held: ScriptValue): LimitState {
  return { limitNanoUsd: BigInt(limit), spentNanoUsd: BigInt(spent), heldNanoUsd: BigInt(held) };
}

type NineNumbers = [number, number, number, number, number, number, number, number, number, ...number[]];
type ExtraLimits = Pick<Admission, 'balance' | 'tokens' | 'parallel' | 'accountRpm' | 'project' | 'tags'>;
const NO_EXTRA_LIMITS: ExtraLimits = {
  balance: null,
  tokens: null,
  parallel: null,
  accountRpm: null,
  project: null,
  tags: null,
};
/** Texts of tags whose meaning is remembered: few keys make most calls. Dropped as a whole when full. */
const TAG_TEXTS_MAX = 1_000;
const tagTexts = new Map<string, Tags>();

function parseTags(text: string): Tags {
  const known = tagTexts.get(text);
  if (known !== undefined) return known;
  const tags = Object.freeze(JSON.parse(text) as Tags);
  if (tagTexts.size >= TAG_TEXTS_MAX) tagTexts.clear();
  tagTexts.set(text, tags);
  return tags;
}

/** What a period says beyond the fields that each has. */
function project([id, windowIndex, windowStartMs, budget]: ProjectPeriod, spent: number, held: number): AdmittedProject {
  return { id, windowIndex, windowStartMs, budget: budget < 0 ? null : limitState(budget, spent, held) };
}

/** Limits that few keys have, and that the script lists only for those. */
function extraLimits(fields: number[], period: Period, windowMs: number): ExtraLimits {
  const [balance, spent, held, tokens, left, counted, parallel, inFlight, ...more] = fields as NineNumbers;
  const [rateLeft, projectSpent, projectHeld] = more as [number, number, number];
  const [accountRpm = -1, tags = '', ...ofProject] = period.slice(PERIOD_FIELDS) as [
    number?,
    string?,
    ...Partial<ProjectPeriod>,
  ];
  return {
    balance: balance < 0 ? null : limitState(balance, spent, held),
    tokens: tokens < 0 ? null : { limit: tokens, remaining: left, resetMs: windowMs, counted },
    parallel: parallel < 0 ? null : { limit: parallel, inFlight },
    accountRpm: accountRpm < 0 ? null : { limit: accountRpm, remaining: rateLeft, resetMs: windowMs },
    project: ofProject[0] === undefined ? null : project(ofProject as ProjectPeriod, projectSpent, projectHeld),
    tags: tags === '' ? null : parseTags(tags),
  };
}

/** What `admit.lua` returns; its header lists the fields. */
export type AdmitReply = [nowMs: number, periods: Period[], answers: ScriptValue[][], refused: RefusedKey[]];
type RefusedKey = [keyId: string, projectId: string, tags: string];
type Period = [
  keyId: string,
  accountId: string,
  windowIndex: number,
  windowStartMs: number,
  day: string,
  rpmLimit: number,
  budget: number,
  dayLimit: number,
  ...more: (number | string)[],
];
const PERIOD_FIELDS = 8;
type ProjectPeriod = [id: string, windowIndex: number, windowStartMs: number, budget: number];

function admission(fields: number[], period: Period): Admission {
  const [, at, hold, rpmLeft, rpmReset, spent, held, daySpent, dayHeld, ...extra] = fields as NineNumbers;
  const [keyId, accountId, windowIndex, windowStartMs, day, rpmLimit, budget, dayLimit] = period;
  return {
    admitted: true,
    admittedAtMs: at,
    keyId,
    accountId,
    windowIndex,
    windowStartMs,
    day,
    holdNanoUsd: BigInt(hold),
    rpm: { limit: rpmLimit, remaining: rpmLeft, resetMs: rpmReset },
    budget: limitState(budget, spent, held),
    daily: dayLimit < 0 ? null : limitState(dayLimit, daySpent, dayHeld),
    ...(extra.length === 0 ? NO_EXTRA_LIMITS : extraLimits(extra, period, rpmReset)),
  };
}

/** The answers to the calls of one run, in their order. */
export function parseAdmitReply([nowMs, periods, answers, refused]: AdmitReply): AdmitResult[] {
  return answers.map((answer) => {
    if (typeof answer[0] === 'number') return admission(answer as number[], periods[answer[0] - 1] as Period);
    const why = refusal(answer as [Refusal['reason'], ...ScriptValue[]], nowMs);
    const key = refused.length === 0 ? undefined : refused.find(([keyId]) => keyId === answer[1]);
    return key === undefined ? why : { ...why, attribution: attribution(key) };
  });
}

function attribution([, projectId, tags]: RefusedKey): Attribution {
  return { ...(projectId === '' ? {} : { projectId }), ...(tags === '' ? {} : { tags: parseTags(tags) }) };
}

function refusal([reason, ...fields]: [Refusal['reason'], ...ScriptValue[]], nowMs: number): Refusal {
  const [keyId, accountId, ...rest] = fields as [string, string, ...ScriptValue[]];
  const about = { admitted: false as const, nowMs };
  switch (reason) {
    case 'unknown_epoch':
    case 'unknown_key':
      return { ...about, reason };
    case 'unknown_scope':
      return { ...about, reason, keyId, accountId, scopes: rest as Scope[] };
    case 'rate_limited':
    case 'account_rate_limited': {
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
    case 'project_budget_exceeded':
    case 'project_budget_held': {
      const [limit, spent, held, resetMs, projectName] = rest as [number, number, number, number, string];
      return { ...about, reason, keyId, accountId, limit: limitState(limit, spent, held), resetMs, projectName };
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
