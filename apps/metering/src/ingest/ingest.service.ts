import { Inject, Injectable } from '@nestjs/common';
import { uuid7Day } from '@tensorloop/kernel/uuid7';
import { CLOCK, type Clock } from '@tensorloop/nest-kit/clock';
import { LiveService } from '../live/live.service.js';
import { PartitionsService } from '../partitions/partitions.service.js';
import { PricesService } from '../prices/prices.service.js';
import { type Booking, BookingService } from './booking.service.js';
import { isRowFault, isTooSlow } from './booking-failure.rules.js';
import { ID_SKEW_MS_MAX, judge } from './ingest.rules.js';
import type { IncomingMessage, Judged } from './ingest.types.js';
import { RowFaults } from './row-faults.js';

/** A call that alone makes its transaction fail is tried in so many deliveries before it is quarantined as unbookable. */
export const UNBOOKABLE_TRIES_MIN = 3;
/** A batch that takes too long is halved so often, and no further: a database that stands still is slow for a single call too. */
export const SLOW_HALVINGS_MAX = 3;
/** Calls of one transaction. Messages of many calls bring more at once after an outage. */
export const CALLS_PER_BOOKING_MAX = 1_000;

@Injectable()
export class IngestService {
  private readonly faults = new RowFaults();

  constructor(
    private readonly booking: BookingService,
    private readonly prices: PricesService,
    private readonly partitions: PartitionsService,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly live: LiveService,
  ) {}

  /**
   * Judges and books a batch, reporting each committed part. Throws when something is left that must be delivered again;
   * what was committed before is then a duplicate.
   */
  async ingest(messages: readonly IncomingMessage[], onCommitted: (booking: Booking) => void): Promise<void> {
    checkOwnClock(messages, this.clock());
    const failures: unknown[] = [];
    for (let first = 0; first < messages.length; first += CALLS_PER_BOOKING_MAX) {
      const part = messages.slice(first, first + CALLS_PER_BOOKING_MAX);
      failures.push(...(await this.bookOrSplit(await this.judgeFully(part), onCommitted)));
    }
    if (failures.length > 0) throw failures[0];
  }

  private async judgeFully(messages: readonly IncomingMessage[]): Promise<Judged[]> {
    let batch = await this.judgeAll(messages);
    if (batch.some(isPriceMissing)) {
      // Another replica may have told gateways of a price that is newer than what we read. Asked once per batch.
      await this.prices.refresh();
      batch = await this.judgeAll(messages);
    }
    return batch;
  }

  private async judgeAll(messages: readonly IncomingMessage[]): Promise<Judged[]> {
    const prices = await this.prices.getBook();
    const ctx = { nowMs: this.clock(), findPrice: (id: string) => prices.get(id) ?? null };
    return messages.map((message) => ({ message, verdict: judge(message.data, ctx) }));
  }

  /**
   * Books the batch; where a row may be at fault, halves it until that row is alone, so that one bad message can hold up
   * neither its batch nor the stream; halves it also where it took too long. Returns what made single messages fail; throws
   * what is no row's fault.
   */
  private async bookOrSplit(
    batch: readonly Judged[],
    onCommitted: (booking: Booking) => void,
    slowHalvings = 0,
  ): Promise<unknown[]> {
    const failure = await this.tryToBook(batch, onCommitted);
    if (failure === null) return [];
    const isSlow = isTooSlow(failure.error);
    if (isSlow && (batch.length === 1 || slowHalvings === SLOW_HALVINGS_MAX)) throw failure.error;
    if (batch.length === 1) {
      // Its day was just looked at anew: what was wrong with the partitions is not held against the message.
      const again = await this.tryToBook(batch, onCommitted);
      return again === null ? [] : this.giveUpOn(batch[0] as Judged, again.error, onCommitted);
    }
    const middle = Math.ceil(batch.length / 2);
    const halvings = slowHalvings + (isSlow ? 1 : 0);
    const left = await this.bookOrSplit(batch.slice(0, middle), onCommitted, halvings);
    return [...left, ...(await this.bookOrSplit(batch.slice(middle), onCommitted, halvings))];
  }

  /** Null when the batch is committed; what failed where less of it may succeed; throws everything else. */
  private async tryToBook(
    batch: readonly Judged[],
    onCommitted: (booking: Booking) => void,
  ): Promise<{ error: unknown } | null> {
    let booking: Booking;
    try {
      await this.partitions.ensure(
        batch.flatMap(({ verdict }) => ('call' in verdict ? uuid7Day(verdict.call.event.requestId) : [])),
      );
      booking = await this.booking.book(batch);
    } catch (error) {
      // A partition that was taken away is found missing only after forgetting that it was there.
      this.partitions.forget();
      if (!isRowFault(error) && !isTooSlow(error)) throw error;
      return { error };
    }
    // Outside: what fails after COMMIT is no row's fault, and the redelivery finds duplicates.
    onCommitted(booking);
    const changed = booking.corrected.length === 0 ? booking.booked : [...booking.booked, ...booking.corrected];
    this.live.note(new Set(changed.map(({ event }) => event.accountId)), 'activity', 'usage', 'keys');
    return null;
  }

  private async giveUpOn(
    { message, verdict }: Judged,
    error: unknown,
    onCommitted: (booking: Booking) => void,
  ): Promise<unknown[]> {
    if ('rejection' in verdict || isTooSlow(error)) return [error];
    const { requestId } = verdict.call.event;
    if (this.faults.note(requestId) < UNBOOKABLE_TRIES_MIN) return [error];
    const rejection = { reason: 'unbookable' as const, detail: error instanceof Error ? error.message : String(error) };
    onCommitted(await this.booking.book([{ message, verdict: { target: verdict.target, rejection } }]));
    this.faults.forget(requestId);
    return [];
  }
}

/**
 * A message cannot be of the future: where the stream says so, our own clock is behind, and every call would be judged by it
 * and quarantined for good. Throws, so that all of it is delivered again, to a replica whose clock is right or later.
 */
function checkOwnClock(messages: readonly IncomingMessage[], nowMs: number): void {
  const newestMs = messages.reduce((newest, { storedAtMs }) => Math.max(newest, storedAtMs), 0);
  if (newestMs - nowMs <= ID_SKEW_MS_MAX) return;
  throw new Error(`this machine's clock shows ${nowMs}, but the stream took a message at ${newestMs} (Unix ms)`);
}

function isPriceMissing({ verdict }: Judged): boolean {
  return 'rejection' in verdict && verdict.rejection.reason === 'price_missing';
}
