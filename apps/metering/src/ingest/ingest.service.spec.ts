import { describe, expect, it } from '@jest/globals';
import type { Clock } from '@tensorloop/nest-kit/clock';
import type { LiveService } from '../live/live.service.js';
import type { PartitionsRepository } from '../partitions/partitions.repository.js';
import { PartitionsService } from '../partitions/partitions.service.js';
import type { PricesService } from '../prices/prices.service.js';
import { newEvent, PRICE } from '../testing/events.js';
import { toPayload } from '../testing/world.js';
import type { Booking, BookingService } from './booking.service.js';
import { ID_SKEW_MS_MAX } from './ingest.rules.js';
import { CALLS_PER_BOOKING_MAX, IngestService, SLOW_HALVINGS_MAX, UNBOOKABLE_TRIES_MIN } from './ingest.service.js';
import type { Judged } from './ingest.types.js';

const NOTHING: Booking = { booked: [], corrected: [], duplicates: 0, quarantined: [], settlements: [] };

/** Check violation: "no partition of relation found for row". */
const noPartition = () => Object.assign(new Error('no partition of relation "usage" found for row'), { code: '23514' });

/** Metering whose only fault is that `days` may lose a partition behind its back. */
function newIngest(
  days: Set<string>,
  clock: Clock = Date.now,
  slow: (calls: number, batch: readonly Judged[]) => Error | null = () => null,
): { ingest: IngestService; booked: Judged[]; tried: number[] } {
  const booked: Judged[] = [];
  const tried: number[] = [];
  const partitions = new PartitionsService({
    ensure: async (day: string) => {
      days.add(day);
    },
  } as PartitionsRepository);
  const booking = {
    book: async (batch: readonly Judged[]) => {
      tried.push(batch.length);
      const slowness = slow(batch.length, batch);
      if (slowness !== null) throw slowness;
      if (days.size === 0 && batch.some(({ verdict }) => 'call' in verdict)) throw noPartition();
      booked.push(...batch);
      return NOTHING;
    },
  } as unknown as BookingService;
  const live = { note: () => undefined } as unknown as LiveService;
  const prices = { getBook: async () => new Map([[PRICE.id, PRICE]]) } as unknown as PricesService;
  return { ingest: new IngestService(booking, prices, partitions, clock, live), booked, tried };
}

describe('a call whose day has lost its partition', () => {
  it('is booked, not quarantined, however often it was delivered during the outage before', async () => {
    const days = new Set<string>();
    const { ingest, booked } = newIngest(days);
    const message = () => ({ data: toPayload(newEvent()), streamSequence: 1, storedAtMs: Date.now() });
    await ingest.ingest([message()], () => {});
    // The database comes back from a backup older than the partition; this process remembers that it had one.
    days.clear();
    await ingest.ingest([message()], () => {});
    expect(booked.map(({ verdict }) => 'call' in verdict)).toEqual([true, true]);
  });
});

describe('a call that the database refuses', () => {
  it('is given up after so many tries of its own, whatever failed before or beside it; the others of its message are booked', async () => {
    const [refused, fine] = [newEvent(), newEvent()];
    const refusal = Object.assign(new Error('integer out of range'), { code: '22003' });
    const down = Object.assign(new Error('the database system is shutting down'), { code: '57P03' });
    let isDown = true;
    const isRefused = ({ verdict }: Judged) => 'call' in verdict && verdict.call.event.requestId === refused.requestId;
    const { ingest, booked } = newIngest(new Set(), Date.now, (_calls, batch) => {
      if (isDown) return down;
      return batch.some(isRefused) ? refusal : null;
    });
    const messages = [fine, refused].map((event) => ({ data: toPayload(event), streamSequence: 1, storedAtMs: Date.now() }));
    // Deliveries of an outage, in which nobody got as far as to try it.
    for (let delivery = 0; delivery < 9; delivery++) await expect(ingest.ingest(messages, () => {})).rejects.toBe(down);
    isDown = false;
    for (let tries = 1; tries < UNBOOKABLE_TRIES_MIN; tries++) {
      await expect(ingest.ingest(messages, () => {})).rejects.toBe(refusal);
    }
    expect(booked.every(({ verdict }) => 'call' in verdict)).toBe(true);
    await ingest.ingest(messages, () => {});
    expect(booked.flatMap(({ verdict }) => ('rejection' in verdict ? verdict.rejection.reason : []))).toEqual(['unbookable']);
    expect(booked.filter((each) => !isRefused(each) && 'call' in each.verdict)).toHaveLength(UNBOOKABLE_TRIES_MIN);
  });
});

describe('what fails after COMMIT', () => {
  it.each([
    ['a mistake of our own', new TypeError('x is not a function')],
    ['what would be a row’s fault before it', noPartition()],
  ])('is held against no message, however often it was delivered: %s', async (_what, failure) => {
    const { ingest, booked } = newIngest(new Set());
    const message = { data: toPayload(newEvent()), streamSequence: 1, storedAtMs: Date.now() };
    const report = () => {
      throw failure;
    };
    await expect(ingest.ingest([message], report)).rejects.toBe(failure);
    expect(booked.map(({ verdict }) => 'call' in verdict)).toEqual([true]);
  });
});

describe('on a machine whose clock is far behind', () => {
  it('nothing is judged: what the stream took later than now is delivered again', async () => {
    let clockOffsetMs = 0;
    const { ingest, booked } = newIngest(new Set(), () => Date.now() + clockOffsetMs);
    const message = { data: toPayload(newEvent()), streamSequence: 1, storedAtMs: Date.now() };
    clockOffsetMs = -ID_SKEW_MS_MAX - 1_000;
    await expect(ingest.ingest([message], () => {})).rejects.toThrow(/clock shows/);
    expect(booked).toEqual([]);
    clockOffsetMs = 0;
    await ingest.ingest([message], () => {});
    expect(booked.map(({ verdict }) => 'call' in verdict)).toEqual([true]);
  });
});

describe('a batch that takes the database too long', () => {
  const canceled = Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });
  const silent = new Error('Query read timeout');
  const messages = (count: number) =>
    Array.from({ length: count }, (_, at) => ({
      ...{ data: toPayload(newEvent()), streamSequence: at + 1, storedAtMs: Date.now() },
    }));

  it.each([canceled, silent])('is booked in parts: %s', async (slowness) => {
    const { ingest, booked, tried } = newIngest(new Set(), Date.now, (calls) => (calls > 10 ? slowness : null));
    await ingest.ingest(messages(40), () => {});
    expect(booked).toHaveLength(40);
    expect(tried).toEqual([40, 20, 10, 10, 20, 10, 10]);
  });

  it.each([canceled, silent])(
    'is delivered again, and held against no call, where its parts take too long as well: %s',
    async (slowness) => {
      for (const count of [40, 1]) {
        const { ingest, booked, tried } = newIngest(new Set(), Date.now, () => slowness);
        await expect(ingest.ingest(messages(count), () => {})).rejects.toBe(slowness);
        expect(booked).toEqual([]);
        expect(tried).toHaveLength(count === 1 ? 1 : SLOW_HALVINGS_MAX + 1);
      }
    },
  );
});

describe('messages that bring more calls than one transaction is to have', () => {
  it('are booked in several, each within the bound', async () => {
    const { ingest, booked, tried } = newIngest(new Set());
    const message = { data: toPayload(newEvent()), streamSequence: 1, storedAtMs: Date.now() };
    await ingest.ingest(Array<typeof message>(2 * CALLS_PER_BOOKING_MAX + 1).fill(message), () => {});
    expect(booked).toHaveLength(2 * CALLS_PER_BOOKING_MAX + 1);
    expect(tried).toEqual([CALLS_PER_BOOKING_MAX, CALLS_PER_BOOKING_MAX, 1]);
  });
});
