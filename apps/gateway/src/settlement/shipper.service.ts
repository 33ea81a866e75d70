import { bundlesOf, joinCalls } from '@tensorloop/contracts/completed-batch';
import { REQUEST_COMPLETED, REQUEST_COMPLETED_BATCH } from '@tensorloop/contracts/subjects';
import { SlotMap } from '@tensorloop/kernel/slot-map';
import { failPoint } from '@tensorloop/nest-kit/fail-points';
import type { Journal } from '../journal/journal.service.js';

/**
 * A call that the stream took, and metering has not acknowledged this long after, is published again. The wait doubles with
 * every copy: while metering is down the stream already has the call, and a day of outage must not fill it with copies.
 */
export const REPUBLISH_AFTER_MS = 30_000;
/**
 * Replicas of metering share their work: where one takes batches and another, of the release before, does not, both acknowledge. An
 * acknowledgement that does not say it takes batches ends them for this long, within which it comes again while such a replica runs.
 */
export const SINGLES_MS = 2 * REPUBLISH_AFTER_MS;
/** How often the backlog is looked through, and how many calls go out per look. */
export const SWEEP_MS = 1_000;
export const SWEEP_BATCH_MAX = 2_000;
/** Calls that end within this time share a message, where metering takes such messages. Nobody waits for it: the journal has them. */
export const GATHER_MS = 4;
/** Gathered calls that are not waited with: more than a few thousand calls a second bring in GATHER_MS. */
export const GATHERED_MAX = 256;

/** The part of a JetStream publisher that shipping needs. Rejects when the stream did not confirm. */
export interface EventPublisher {
  publishMessage(message: {
    subject: string;
    data: Uint8Array;
    messageId: string;
    traceparent?: string | undefined;
  }): Promise<unknown>;
}

/** What is known of a call's publishing. */
interface Shipment {
  /** When it was last published (performance.now). */
  publishedAtMs: number;
  /** Copies that the stream confirmed. */
  copies: number;
}

interface GatheredCall {
  requestId: string;
  payload: string;
}

/**
 * Publishes ended calls until metering acknowledges them. Only ids are kept: the event itself lies in the journal, so a backlog
 * of hours costs memory for its ids alone, and the journal's own bound is the bound of this queue.
 */
export class Shipper {
  private publisher: EventPublisher | null = null;
  /** By request id, oldest first. */
  private readonly unacknowledged = new SlotMap<Shipment>();
  private readonly timer: NodeJS.Timeout;
  private isSweeping = false;
  private takesBatches = false;
  /** Until when no acknowledgement turns batches on (performance.now). */
  private singlesUntilMs = Number.NEGATIVE_INFINITY;
  private gathered: GatheredCall[] = [];
  private gatherTimer: NodeJS.Timeout | null = null;

  constructor(
    private readonly journal: Pick<Journal, 'readCompleted'>,
    private readonly republishAfterMs: number = REPUBLISH_AFTER_MS,
    sweepMs: number = SWEEP_MS,
  ) {
    this.timer = setInterval(() => void this.sweep(), sweepMs);
    this.timer.unref();
  }

  /** Calls that metering has not acknowledged. */
  get backlog(): number {
    return this.unacknowledged.size;
  }

  /** Called with the publisher once NATS is there. */
  connect(publisher: EventPublisher): void {
    this.publisher = publisher;
    void this.sweep();
  }

  /** Publishes a call whose event is on the disk. */
  ship(requestId: string, payload: string, traceparent?: string): void {
    this.resume(requestId);
    if (this.publisher === null) return;
    // A message carries one trace.
    if (this.takesBatches && traceparent === undefined) this.gather({ requestId, payload });
    else void this.publish(requestId, payload, { traceparent });
  }

  /**
   * What a settle-ack of metering says. Copies always go out one by one: should metering have been rolled back to a release that
   * takes no batches, they reach it, and its answer ends the batches.
   */
  noteTakesBatches(takesBatches: boolean): void {
    const nowMs = performance.now();
    if (!takesBatches) this.singlesUntilMs = nowMs + SINGLES_MS;
    this.takesBatches = nowMs >= this.singlesUntilMs;
  }

  /** A call out of the replayed journal: it goes out with the next sweep. */
  resume(requestId: string): void {
    this.unacknowledged.set(requestId, { publishedAtMs: Number.NEGATIVE_INFINITY, copies: 0 });
  }

  forget(requestId: string): void {
    this.unacknowledged.delete(requestId);
  }

  /** Publishes what waits, oldest first. Resolves when every publish of this round was answered. */
  async sweep(): Promise<void> {
    this.publishGathered();
    if (this.publisher === null || this.isSweeping) return;
    this.isSweeping = true;
    try {
      let isGoingWell = true;
      while (isGoingWell) {
        const due = this.listDue();
        const confirmed = await Promise.all(due.map((requestId) => this.republish(requestId)));
        // A full batch that went through whole is followed by the next at once: a long outage leaves a long backlog.
        isGoingWell = due.length === SWEEP_BATCH_MAX && confirmed.every((isConfirmed) => isConfirmed);
      }
    } finally {
      this.isSweeping = false;
    }
  }

  close(): void {
    clearInterval(this.timer);
    if (this.gatherTimer !== null) clearTimeout(this.gatherTimer);
  }

  private gather(call: GatheredCall): void {
    const shipment = this.unacknowledged.get(call.requestId);
    // Set first: a sweep meanwhile must not send a second copy.
    if (shipment !== undefined) shipment.publishedAtMs = performance.now();
    this.gathered.push(call);
    if (this.gathered.length >= GATHERED_MAX) this.publishGathered();
    else this.gatherTimer ??= setTimeout(() => this.publishGathered(), GATHER_MS);
  }

  private publishGathered(): void {
    if (this.gatherTimer !== null) clearTimeout(this.gatherTimer);
    this.gatherTimer = null;
    const { gathered } = this;
    this.gathered = [];
    const bundles = this.takesBatches ? bundlesOf(gathered) : gathered.map((call) => [call]);
    for (const bundle of bundles) void this.publishBundle(bundle);
  }

  private async publishBundle(bundle: readonly GatheredCall[]): Promise<void> {
    const [{ requestId, payload }] = bundle as [GatheredCall];
    if (bundle.length === 1) {
      await this.publish(requestId, payload);
      return;
    }
    const shipments = bundle.flatMap((call) => this.unacknowledged.get(call.requestId) ?? []);
    try {
      await this.publisher?.publishMessage({
        subject: REQUEST_COMPLETED_BATCH,
        data: Buffer.from(joinCalls(bundle)),
        // Not the id of its first call: a copy of that call alone is no duplicate of the batch.
        messageId: `${requestId}+${bundle.length - 1}`,
      });
      failPoint('gateway.after_publish');
      for (const shipment of shipments) shipment.copies += 1;
    } catch {
      for (const shipment of shipments) shipment.publishedAtMs = Number.NEGATIVE_INFINITY;
    }
  }

  private listDue(): string[] {
    const nowMs = performance.now();
    const due: string[] = [];
    for (const [requestId, { publishedAtMs, copies }] of this.unacknowledged) {
      // What was not taken has no time of publishing; what is on its way has, and no copy yet.
      const waitMs = this.republishAfterMs * 2 ** Math.max(0, copies - 1);
      if (nowMs - publishedAtMs > waitMs) due.push(requestId);
      if (due.length >= SWEEP_BATCH_MAX) break;
    }
    return due;
  }

  private async republish(requestId: string): Promise<boolean> {
    const payload = await this.journal.readCompleted(requestId).catch(() => null);
    if (payload === null) return false;
    // What the stream took already it would drop as a duplicate for two minutes, and metering, whose acknowledgement was
    // lost, would not hear of it. Under another message id it does, and knows the call by its request id.
    const copies = this.unacknowledged.get(requestId)?.copies ?? 0;
    const messageId = copies === 0 ? requestId : `${requestId}.${Math.round(performance.now())}`;
    return this.publish(requestId, payload, { messageId });
  }

  private async publish(
    requestId: string,
    payload: string,
    { messageId = requestId, traceparent }: { messageId?: string; traceparent?: string | undefined } = {},
  ): Promise<boolean> {
    // Set first: a sweep during the publish must not send a second copy.
    const shipment = this.unacknowledged.get(requestId);
    if (shipment !== undefined) shipment.publishedAtMs = performance.now();
    try {
      await this.publisher?.publishMessage({
        subject: REQUEST_COMPLETED,
        data: Buffer.from(payload),
        messageId,
        traceparent,
      });
      failPoint('gateway.after_publish');
      if (shipment !== undefined) shipment.copies += 1;
      return true;
    } catch {
      // Not confirmed, hence perhaps not stored: the next sweep sends it again.
      if (shipment !== undefined) shipment.publishedAtMs = Number.NEGATIVE_INFINITY;
      return false;
    }
  }
}
