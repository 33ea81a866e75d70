import { ENDPOINTS } from '@tensorloop/contracts/endpoint';
import { ATTEMPTS_MAX, OUTCOMES, type RequestCompleted } from '@tensorloop/contracts/request-completed';
import { tagsSchema } from '@tensorloop/contracts/tags';
import { DIMENSIONS } from '@tensorloop/contracts/usage';
import { isUuid7 } from '@tensorloop/kernel/uuid7';

const ACCOUNT_TAG = /^[0-9A-Za-z]{8}$/;
const MODEL = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/;
const GATEWAY_ID = /^[a-z0-9-]{1,64}$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const AMOUNT = /^(0|[1-9]\d{0,24})$/;
const endpoints: ReadonlySet<unknown> = new Set(ENDPOINTS);
const outcomes: ReadonlySet<unknown> = new Set(OUTCOMES);
const dimensions: ReadonlySet<string> = new Set(DIMENSIONS);
const QUANTITY_MAX = 1_000_000_000;
const EVENT_FIELDS = 25;
const ATTEMPT_FIELDS = 5;
const PROVIDER_CHARACTERS_MAX = 64;
const UPSTREAM_MODEL_CHARACTERS_MAX = 128;
const FAILURE_CHARACTERS_MAX = 64;

type Fields = Record<string, unknown>;

/**
 * Whether parsed JSON surely is an event of this release, with no field that is unknown here. A shortcut for the many: the
 * schema stays the authority, is asked about everything that is refused here, and would say yes to all that is not.
 */
export function isPlainEvent(json: unknown): json is RequestCompleted {
  if (!isObject(json) || !hasIdentity(json) || !hasTimes(json) || !hasResult(json)) return false;
  if (json.isPrepaid !== undefined && json.isPrepaid !== true) return false;
  if (Object.keys(json).length !== EVENT_FIELDS + (json.isPrepaid === true ? 1 : 0) + attributions(json)) return false;
  const { usage, attempts } = json;
  return isUsage(usage) && Array.isArray(attempts) && attempts.length <= ATTEMPTS_MAX && attempts.every(isAttempt);
}

/** How many of the fields of projects and tags an event has. Those that the schema would leave out make the sum wrong. */
function attributions(event: Fields): number {
  const { projectId, projectWindowIndex, projectWindowStartMs, tags } = event;
  if (projectId === undefined && tags === undefined) return 0;
  let fields = 0;
  if (isId(projectId)) fields += 1;
  if (isCount(projectWindowIndex)) fields += 1;
  if (isCount(projectWindowStartMs)) fields += 1;
  if (tags !== undefined && areTags(tags)) fields += 1;
  return fields;
}

/** A name that the schema skips (`__proto__`) is a reason to ask the schema. */
function areTags(tags: unknown): boolean {
  const parsed = tagsSchema.safeParse(tags);
  return parsed.success && Object.keys(parsed.data).length === Object.keys(tags as object).length;
}

function hasIdentity(event: Fields): boolean {
  return (
    event.v === 1 &&
    isId(event.requestId) &&
    isId(event.accountId) &&
    isId(event.keyId) &&
    isId(event.priceVersionId) &&
    fits(event.accountTag, ACCOUNT_TAG) &&
    fits(event.model, MODEL) &&
    fits(event.gatewayId, GATEWAY_ID) &&
    endpoints.has(event.endpoint)
  );
}

function hasTimes(event: Fields): boolean {
  return (
    isCount(event.admittedAtMs) &&
    isCount(event.completedAtMs) &&
    isCount(event.windowIndex) &&
    isCount(event.windowStartMs) &&
    fits(event.day, DAY) &&
    isMs(event.latencyMs) &&
    (event.firstByteMs === null || isMs(event.firstByteMs))
  );
}

function hasResult(event: Fields): boolean {
  return (
    fits(event.holdNanoUsd, AMOUNT) &&
    fits(event.chargeNanoUsd, AMOUNT) &&
    fits(event.overrunNanoUsd, AMOUNT) &&
    typeof event.stream === 'boolean' &&
    typeof event.estimated === 'boolean' &&
    outcomes.has(event.outcome) &&
    Number.isSafeInteger(event.httpStatus)
  );
}

function isUsage(usage: unknown): boolean {
  if (!isObject(usage)) return false;
  for (const dimension of Object.keys(usage)) {
    const quantity = usage[dimension];
    if (!dimensions.has(dimension) || !isCount(quantity) || quantity > QUANTITY_MAX) return false;
  }
  return true;
}

function isAttempt(attempt: unknown): boolean {
  return (
    isObject(attempt) &&
    Object.keys(attempt).length === ATTEMPT_FIELDS &&
    isText(attempt.provider, PROVIDER_CHARACTERS_MAX) &&
    isText(attempt.upstreamModel, UPSTREAM_MODEL_CHARACTERS_MAX) &&
    (attempt.status === null || Number.isSafeInteger(attempt.status)) &&
    (attempt.failure === null || isText(attempt.failure, FAILURE_CHARACTERS_MAX)) &&
    isMs(attempt.latencyMs)
  );
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && isUuid7(value);
}

function fits(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value);
}

function isText(value: unknown, charactersMax: number): boolean {
  return typeof value === 'string' && value.length <= charactersMax;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isMs(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
