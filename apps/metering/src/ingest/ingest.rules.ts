import { accountTagSchema, gatewayIdSchema, uuid7Schema } from '@tensorloop/contracts/identity';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import { type RequestCompleted, requestCompletedSchema } from '@tensorloop/contracts/request-completed';
import { budgetWindow, DAY_MS, utcDay, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { uuid7Time } from '@tensorloop/kernel/uuid7';
import { z } from 'zod';
import { scopesOf } from '../usage/usage.types.js';
import { hashEvent } from './event-hash.rules.js';
import { isPlainEvent } from './event-shape.rules.js';
import type { Rejection, SettleTarget, Verdict } from './ingest.types.js';
import { priceCall } from './price-call.rules.js';

/** How far an id's time may be from the admission clock, and ahead of ours. */
export const ID_SKEW_MS_MAX = DAY_MS;
/** How late an event may arrive: longer than the stream keeps messages, so that no outage turns calls into quarantine. */
export const LATENESS_MS_MAX = 31 * DAY_MS;
/** A scope's text holds six digits of window index. */
const WINDOW_INDEX_MAX = 999_999;
const DETAIL_CHARACTERS_MAX = 500;

export interface JudgeContext {
  nowMs: number;
  findPrice(id: string): PriceVersion | null;
}

/** Decides what one message is: a call to book, or something to quarantine and why. Never throws. */
export function judge(data: Uint8Array, ctx: JudgeContext): Verdict {
  const json = parseJson(data);
  if (isPlainEvent(json)) return judgeEvent(json, ctx);
  const parsed = requestCompletedSchema.safeParse(json);
  if (parsed.success) return judgeEvent(parsed.data, ctx);
  return { target: readTarget(json), rejection: { reason: 'invalid', detail: describeInvalid(json, parsed.error) } };
}

function judgeEvent(event: RequestCompleted, ctx: JudgeContext): Verdict {
  const target = targetOf(event);
  const rejection = checkTime(event, ctx.nowMs) ?? checkScopes(event);
  if (rejection) return { target: { ...target, account: null }, rejection };
  const priced = priceCall(event, ctx.findPrice(event.priceVersionId));
  if ('reason' in priced) return { target, rejection: priced };
  return { target, call: { event, payloadHash: hashEvent(event), ...priced } };
}

/**
 * The id must belong to the admission it was minted for: its day decides the partition, and so the dedupe. It is compared
 * with the admission clock and not with ours alone, because an event that waited out a long outage is late, not wrong.
 */
function checkTime(event: RequestCompleted, nowMs: number): Rejection | null {
  const idMs = uuid7Time(event.requestId);
  const aheadMs = Math.max(idMs, event.admittedAtMs) - nowMs;
  const skewMs = Math.abs(idMs - event.admittedAtMs);
  if (skewMs <= ID_SKEW_MS_MAX && aheadMs <= ID_SKEW_MS_MAX && nowMs - event.admittedAtMs <= LATENESS_MS_MAX) return null;
  return { reason: 'id_time', detail: `id says ${idMs}, admission ${event.admittedAtMs}, now ${nowMs} (Unix ms)` };
}

/** Day and window must follow from the admission instant, or the charge would count toward a scope nobody admitted it to. */
function checkScopes(event: RequestCompleted): Rejection | null {
  const day = utcDay(event.admittedAtMs);
  if (day !== event.day) return { reason: 'scope_mismatch', detail: `admitted on ${day}, the event says ${event.day}` };
  const { windowIndex, windowStartMs, projectWindowIndex, projectWindowStartMs } = event;
  return (
    checkWindow(event, { index: windowIndex, startMs: windowStartMs }, 'window') ??
    (projectWindowIndex === undefined
      ? null
      : checkWindow(event, { index: projectWindowIndex, startMs: projectWindowStartMs ?? -1 }, "the project's window"))
  );
}

function checkWindow(
  { admittedAtMs }: RequestCompleted,
  { index, startMs }: { index: number; startMs: number },
  name: string,
): Rejection | null {
  const firstMs = startMs - index * WINDOW_MS;
  const isReal = index <= WINDOW_INDEX_MAX && firstMs >= 0;
  if (isReal && budgetWindow(firstMs, admittedAtMs).index === index) return null;
  return {
    reason: 'scope_mismatch',
    detail: `admitted at ${admittedAtMs}, outside ${name} ${index} from ${startMs} (Unix ms)`,
  };
}

export function targetOf(event: RequestCompleted): SettleTarget {
  return {
    gatewayId: event.gatewayId,
    accountTag: event.accountTag,
    requestId: event.requestId,
    account: { id: event.accountId, scopes: scopesOf(event) },
  };
}

const readableTargetSchema = z.object({ gatewayId: gatewayIdSchema, accountTag: accountTagSchema, requestId: uuid7Schema });

/** Reads what can be read of a broken event, so that the gateway that waits for its acknowledgement gets one. */
function readTarget(json: unknown): SettleTarget | null {
  const parsed = readableTargetSchema.safeParse(json);
  return parsed.success ? { ...parsed.data, account: null } : null;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Undefined when the bytes are no JSON text in UTF-8. */
function parseJson(data: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(data));
  } catch {
    return undefined;
  }
}

function describeInvalid(json: unknown, error: z.ZodError): string {
  if (json === undefined) return 'no JSON text in UTF-8';
  const issues = error.issues.map((issue) => `${issue.path.join('.') || '(whole)'}: ${issue.message}`);
  return issues.join('; ').slice(0, DETAIL_CHARACTERS_MAX);
}
