import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { ATTEMPTS_MAX, type RequestCompleted, requestCompletedSchema } from '@tensorloop/contracts/request-completed';
import { DIMENSIONS } from '@tensorloop/contracts/usage';
import fc from 'fast-check';
import { newEvent } from '../testing/events.js';
import { hashEvent, textOfAnyFields } from './event-hash.rules.js';
import { isPlainEvent } from './event-shape.rules.js';

const RUNS = 3_000;
const FIELDS = [...Object.keys(newEvent()), 'isPrepaid', 'projectId', 'projectWindowIndex', 'tags', 'region', '__proto__'];
const ATTEMPT_FIELDS = [...Object.keys(newEvent().attempts[0] as object), 'region'];
const LONG = 129;

/** Values near every bound of the contract, besides any JSON. */
const value = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, -0, -1, 1, 0.5, 2 ** 53, 1e9 + 1, '', '0', '00', '-1', '1'.repeat(26), 'x\n'),
  fc.constantFrom<unknown>('2026-11-21', '2026-11-21\n', 'acc00001', 'completed', 'embeddings', 'm', 'm'.repeat(LONG), []),
  fc.constantFrom<unknown>(
    {},
    { input: 1 },
    { input: 1e9 + 1 },
    { input: -1 },
    { tokens: 1 },
    { team: 'search' },
    { Team: 'search' },
    JSON.parse('{"__proto__": "x"}'),
    Array(ATTEMPTS_MAX + 1).fill({}),
  ),
  fc.uuid({ version: 7 }),
  fc.uuid({ version: 4 }),
  fc.jsonValue(),
);
const usage = fc.dictionary(fc.constantFrom(...DIMENSIONS), fc.nat({ max: 1_000 }), { maxKeys: 6 });
const change = fc.oneof(
  fc.record({ at: fc.constant('event'), field: fc.constantFrom(...FIELDS), value }),
  fc.record({ at: fc.constant('attempt'), field: fc.constantFrom(...ATTEMPT_FIELDS), value }),
  fc.record({ at: fc.constant('without'), field: fc.constantFrom(...FIELDS), value: fc.constant(null) }),
);

/** As it comes off the stream: an own field may even be called `__proto__`. */
function changed(event: RequestCompleted, { at, field, value }: { at: string; field: string; value: unknown }): unknown {
  const entries = Object.entries(event).filter(([name]) => name !== field || at === 'attempt');
  if (at === 'event') entries.push([field, value as never]);
  const copy = Object.fromEntries(entries);
  if (at === 'attempt')
    copy.attempts = [Object.fromEntries([...Object.entries(event.attempts[0] ?? {}), [field, value]])] as never;
  return JSON.parse(JSON.stringify(copy));
}

describe('the shortcut past the schema', () => {
  it('is taken by ordinary events, prepaid ones too', () => {
    expect(isPlainEvent(newEvent())).toBe(true);
    expect(isPlainEvent({ ...newEvent(), isPrepaid: true, firstByteMs: null, attempts: [] })).toBe(true);
  });

  it('is taken by events with a project and tags', () => {
    const projectId = newEvent().requestId;
    expect(isPlainEvent({ ...newEvent(), projectId, projectWindowIndex: 0, projectWindowStartMs: 1, tags: { a: 'b' } })).toBe(
      true,
    );
    expect(isPlainEvent({ ...newEvent(), tags: { a: 'b' } })).toBe(true);
    expect(isPlainEvent({ ...newEvent(), tags: { A: 'b' } })).toBe(false);
    expect(isPlainEvent({ ...newEvent(), projectId: 'x' })).toBe(false);
  });

  it('lets nothing through that the schema refuses or reads otherwise', () => {
    fc.assert(
      fc.property(usage, change, (usage, change) => {
        const event = changed(newEvent({ usage: { input: 1 } }), change);
        const candidate = changed(event as RequestCompleted, { at: 'event', field: 'usage', value: usage });
        for (const json of [event, candidate]) {
          if (!isPlainEvent(json)) continue;
          expect(requestCompletedSchema.safeParse(json)).toEqual({ success: true, data: json });
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('leaves to the schema what it does not know', () => {
    expect(isPlainEvent({ ...newEvent(), region: 'eu' })).toBe(false);
    expect(isPlainEvent(null)).toBe(false);
    expect(isPlainEvent([])).toBe(false);
  });
});

describe("an event's hash", () => {
  it('is of the same text whether or not the event has fields of a later release', () => {
    fc.assert(
      fc.property(usage, change, (usage, change) => {
        const parsed = requestCompletedSchema.safeParse(changed({ ...newEvent(), usage }, change));
        if (!parsed.success) return;
        const slow = createHash('sha256').update(textOfAnyFields(parsed.data)).digest('hex');
        expect(hashEvent(parsed.data).toString('hex')).toBe(slow);
      }),
      { numRuns: RUNS },
    );
  });

  it('stays what it was in releases before: booked rows are compared with it for ever', () => {
    const event = {
      ...newEvent(),
      requestId: '019a0000-0000-7000-8000-000000000001',
      accountId: '019a0000-0000-7000-8000-000000000002',
      accountTag: 'acc00001',
      keyId: '019a0000-0000-7000-8000-000000000003',
      priceVersionId: '019a0000-0000-7000-8000-000000000004',
      admittedAtMs: 1_760_000_000_000,
      completedAtMs: 1_760_000_000_800,
      windowStartMs: 1_759_999_000_000,
      day: '2025-10-09',
      usage: { output: 200, input: 1_000, input_cache_read: 0 },
    };
    expect(hashEvent(event).toString('hex')).toBe('be0800dc16932ee6a325119780a46ba297705ff8e39586f2e18e1d826b4d28a0');
  });
});
