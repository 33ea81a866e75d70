import { createHash } from 'node:crypto';
import type { KnownRequest, RecordedAnswer } from './idempotency.types.js';

const KEY = /^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Levels of a body that count. */
const LEVELS_MAX = 64;
/** As long as an answer is remembered; a repetition that comes later is a new request. */
export const REMEMBERED_MS = 24 * 3_600_000;
/**
 * A request that has recorded no answer by then was cut off, by the end of its process for instance. Longer than a request can
 * take; and should one take longer all the same, it fails when it records its answer and with that its effect.
 */
export const RESERVATION_MS_MAX = 60_000;

/**
 * An effect that may be undone is told to be kept, or undone, by then: gateways are waited for for two seconds, and a
 * transaction takes ten at most. Should it take longer all the same, it is kept: whoever repeats the request decides that.
 */
export const OPEN_ANSWER_MS_MAX = 15_000;

export function isIdempotencyKey(text: unknown): text is string {
  return typeof text === 'string' && KEY.test(text);
}

/**
 * "POST /api/keys", with ids that stand in the path. By the pattern of the route and not by the path as it came, since
 * `/API/keys/` is the same request; ids are compared as the database compares them, whatever their letters' case.
 */
export function routeName(method: string, pattern: string, params: Readonly<Record<string, string | string[]>>): string {
  const path = pattern.replaceAll(/:(\w+)/g, (name, param: string) => {
    const value = String(params[param] ?? name);
    return UUID.test(value) ? value.toLowerCase() : value;
  });
  return `${method} ${path}`;
}

/** Alike for bodies that say the same: the order of an object's fields does not count. */
export function hashBody(body: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(body, LEVELS_MAX)) ?? '')
    .digest('hex');
}

function sorted(value: unknown, levels: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  // A body this deep fits no schema: it will be refused, whatever else is in it.
  if (levels === 0) return null;
  if (Array.isArray(value)) return value.map((item) => sorted(item, levels - 1));
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, field]) => [name, sorted(field, levels - 1)]));
}

export type Verdict =
  | { kind: 'replay'; answer: RecordedAnswer }
  | { kind: 'other_body' }
  | { kind: 'in_flight' }
  /** Whoever carried it out has not said whether the effect stays: it is to be kept, and then told of. */
  | { kind: 'open'; answer: RecordedAnswer }
  /** What is known is over; the request may take its place. */
  | { kind: 'over' };

export function judge(known: KnownRequest, bodyHash: string, nowMs: number): Verdict {
  const ageMs = nowMs - known.reservedAt.getTime();
  if (ageMs >= REMEMBERED_MS) return { kind: 'over' };
  if (known.bodyHash !== bodyHash) return { kind: 'other_body' };
  if (known.answer !== null && known.isFinal) return { kind: 'replay', answer: known.answer };
  if (known.answer !== null) {
    return ageMs >= OPEN_ANSWER_MS_MAX ? { kind: 'open', answer: known.answer } : { kind: 'in_flight' };
  }
  return ageMs >= RESERVATION_MS_MAX ? { kind: 'over' } : { kind: 'in_flight' };
}
