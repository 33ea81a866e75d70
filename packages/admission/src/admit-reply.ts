import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { Tags } from '@tensorloop/contracts/tags';
import type { Admission, AdmitResult, AdmittedProject, Attribution, Refusal } from './admission.types.js';
import { limitState, limitsLeft } from './limits-left.js';
import { RPM_WINDOW_MS } from './recent-admissions.js';
import type { ScriptValue } from './scripts.js';
import { TextMemo } from './text-memo.js';

type EightNumbers = [number, number, number, number, number, number, number, number, ...number[]];
type ExtraLimits = Pick<Admission, 'balance' | 'tokens' | 'parallel' | 'accountRpm' | 'project' | 'tags'>;
const NO_EXTRA_LIMITS: ExtraLimits = {
  balance: null,
  tokens: null,
  parallel: null,
  accountRpm: null,
  project: null,
  tags: null,
};
/** Few keys make most calls, and a key's tags are the same for each. */
const TAG_TEXTS_MAX = 1_000;
const tagTexts = new TextMemo<Tags>(TAG_TEXTS_MAX, (text) => JSON.parse(text) as Tags);

/** What a period says beyond the fields that each has. */
function project([id, windowIndex, windowStartMs, budget]: ProjectPeriod, spent: number, held: number): AdmittedProject {
  return { id, windowIndex, windowStartMs, budget: budget < 0 ? null : limitState(budget, spent, held) };
}

/** Limits that few keys have, and that the script lists only for those. */
function extraLimits(fields: number[], [, accountRpm = -1, tags = '', ...ofProject]: Period): ExtraLimits {
  const [balance, spent, held, tokens, left, counted, parallel, inFlight, ...more] = fields as EightNumbers;
  const [rateLeft, projectSpent, projectHeld] = more as [number, number, number];
  return {
    balance: balance < 0 ? null : limitState(balance, spent, held),
    tokens: tokens < 0 ? null : { limit: tokens, remaining: left, resetMs: RPM_WINDOW_MS, counted },
    parallel: parallel < 0 ? null : { limit: parallel, inFlight },
    accountRpm: accountRpm < 0 ? null : { limit: accountRpm, remaining: rateLeft, resetMs: RPM_WINDOW_MS },
    project: ofProject[0] === undefined ? null : project(ofProject as ProjectPeriod, projectSpent, projectHeld),
    tags: tags === '' ? null : tagTexts.read(tags),
  };
}

/** What `admit.lua` returns; its header lists the fields. An answer is a text where the call was admitted. */
export type AdmitReply =
  | string
  | [nowMs: number, settled: string, periods: (string | Period)[], answers: (string | ScriptValue[])[], refused: RefusedKey[]];
type RefusedKey = [keyId: string, projectId: string, tags: string];
type Period = [common: string, accountRpm?: number, tags?: string, ...project: Partial<ProjectPeriod>];
type ProjectPeriod = [id: string, windowIndex: number, windowStartMs: number, budget: number];
const BAR = '|';

/** What every admission under a period has in common. */
type PeriodFields = Pick<Admission, 'keyId' | 'accountId' | 'windowIndex' | 'windowStartMs' | 'day'> & {
  rpmLimit: number;
  budget: number;
  dayLimit: number;
};

/**
 * Under its whole text, which mostly is the same for all calls of a key on one day: a limit that was changed or a window that turned makes another one.
 * What a call keeps until metering has booked it are then texts that all calls of the key share. Half a kilobyte each.
 */
const PERIODS_MAX = 5_000;
const periodTexts = new TextMemo<PeriodFields>(PERIODS_MAX, parsePeriod);

function parsePeriod(common: string): PeriodFields {
  const [keyId, accountId, index, startMs, day, rpm, budget, dayLimit] = common.split(BAR) as string[] & { length: 8 };
  return {
    keyId: keyId as string,
    accountId: accountId as string,
    windowIndex: Number(index),
    windowStartMs: Number(startMs),
    day: day as string,
    rpmLimit: Number(rpm),
    budget: Number(budget),
    dayLimit: Number(dayLimit),
  };
}

function admission(answer: string, periods: (string | Period)[]): Admission {
  const numbers = answer.split(BAR).map(Number);
  const [number, at, hold, rpmLeft, spent, held, daySpent, dayHeld, ...extra] = numbers as EightNumbers;
  const found = periods[number - 1] as string | Period;
  const period: Period = typeof found === 'string' ? [found] : found;
  const { keyId, accountId, windowIndex, windowStartMs, day, rpmLimit, budget, dayLimit } = periodTexts.read(period[0]);
  return {
    admitted: true,
    admittedAtMs: at,
    keyId,
    accountId,
    windowIndex,
    windowStartMs,
    day,
    holdNanoUsd: BigInt(hold),
    rpm: { limit: rpmLimit, remaining: rpmLeft, resetMs: RPM_WINDOW_MS },
    budget: limitState(budget, spent, held),
    daily: dayLimit < 0 ? null : limitState(dayLimit, daySpent, dayHeld),
    ...(extra.length === 0 ? NO_EXTRA_LIMITS : extraLimits(extra, period)),
  };
}

const LINE_BREAK = '\n';
/** Lines of a reply in one text: time, what was settled, count of periods, the periods, the answers. */
const FIRST_PERIOD = 3;

/** What the reply says of the calls that ended in the same run. */
export function settledOf(reply: AdmitReply): string {
  return typeof reply === 'string' ? (reply.split(LINE_BREAK, FIRST_PERIOD)[1] as string) : reply[1];
}

/** Redis's time, and the answers to the calls of one run in their order. */
export function parseAdmitReply(reply: AdmitReply): { nowMs: number; results: AdmitResult[] } {
  if (typeof reply === 'string') return parseAdmitted(reply.split(LINE_BREAK));
  const [nowMs, , periods, answers, refused] = reply;
  const results = answers.map((answer) => {
    if (typeof answer === 'string') return admission(answer, periods);
    const why = refusal(answer as [Refusal['reason'], ...ScriptValue[]], nowMs);
    const key = refused.length === 0 ? undefined : refused.find(([keyId]) => keyId === answer[1]);
    return key === undefined ? why : { ...why, attribution: attribution(key) };
  });
  return { nowMs, results };
}

function parseAdmitted(lines: string[]): { nowMs: number; results: AdmitResult[] } {
  const firstAnswer = FIRST_PERIOD + Number(lines[FIRST_PERIOD - 1]);
  const periods = lines.slice(FIRST_PERIOD, firstAnswer);
  return { nowMs: Number(lines[0]), results: lines.slice(firstAnswer).map((answer) => admission(answer, periods)) };
}

function attribution([, projectId, tags]: RefusedKey): Attribution {
  return { ...(projectId === '' ? {} : { projectId }), ...(tags === '' ? {} : { tags: tagTexts.read(tags) }) };
}

function refusal([reason, ...fields]: [Refusal['reason'], ...ScriptValue[]], nowMs: number): Refusal {
  const [keyId, accountId, ...rest] = fields as [string, string, ...ScriptValue[]];
  const about = { admitted: false as const, nowMs };
  switch (reason) {
    case 'unknown_epoch':
    case 'unknown_key':
      return { ...about, reason };
    case 'unknown_scope': {
      const [leftText, ...scopes] = rest as [string, ...Scope[]];
      return { ...about, reason, keyId, accountId, left: limitsLeft(leftText), scopes };
    }
    case 'model_not_allowed':
    case 'pending_full':
      return { ...about, reason, keyId, accountId, left: limitsLeft(rest[0] as string) };
    case 'rate_limited':
    case 'account_rate_limited': {
      const [leftText, limit, retryAfterMs, resetMs] = rest as [string, number, number, number];
      return { ...about, reason, keyId, accountId, left: limitsLeft(leftText), limit, remaining: 0, retryAfterMs, resetMs };
    }
    case 'parallel_limited': {
      const [leftText, limit, inFlight] = rest as [string, number, number];
      return { ...about, reason, keyId, accountId, left: limitsLeft(leftText), limit, inFlight };
    }
    case 'tokens_limited': {
      const [leftText, limit, used, asked, retryMs, resetMs] = rest as [string, number, number, number, number, number];
      const retryAfterMs = retryMs < 0 ? null : retryMs;
      return { ...about, reason, keyId, accountId, left: limitsLeft(leftText), limit, used, asked, retryAfterMs, resetMs };
    }
    case 'budget_exceeded':
    case 'budget_held':
    case 'daily_limit_reached':
    case 'daily_limit_held':
    case 'insufficient_balance':
    case 'balance_held': {
      const [leftText, limit, spent, held, resetMs] = rest as [string, number, number, number, number];
      return { ...about, reason, keyId, accountId, left: limitsLeft(leftText), limit: limitState(limit, spent, held), resetMs };
    }
    case 'project_budget_exceeded':
    case 'project_budget_held': {
      const [leftText, limit, spent, held, resetMs, projectName] = rest as [string, number, number, number, number, string];
      return {
        ...about,
        reason,
        keyId,
        accountId,
        left: limitsLeft(leftText),
        limit: limitState(limit, spent, held),
        resetMs,
        projectName,
      };
    }
    case 'key_revoked':
    case 'key_expired':
    case 'price_moved':
      return { ...about, reason, keyId, accountId };
    default:
      throw new Error(`admit.lua answered with an unknown outcome: ${String(reason satisfies never)}`);
  }
}
