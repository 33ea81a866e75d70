import type { NatsConnection } from '@nats-io/transport-node';
import { Inject, Injectable } from '@nestjs/common';
import { METERING_CONSUMER, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { NatsLink } from '@tensorloop/messaging/connection';
import { jetstreamManager } from '@tensorloop/messaging/streams';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';

/** Answers within this time share one look at the stream. */
const REUSE_MS = 250;
/** An answer without fresh freshness is better than a late one. */
const LOOK_TIMEOUT_MS = 500;

/** Says up to which instant everything that gateways published is booked, over all replicas. */
@Injectable()
export class FreshnessService {
  private throughMs = 0;
  private lookedAtMs = Number.NEGATIVE_INFINITY;
  private looking: Promise<void> | null = null;

  constructor(
    @Inject(NatsLink) private readonly link: NatsLink,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Unix milliseconds; never goes back. The last known value while NATS does not say, 0 before the first. */
  async getDataThroughMs(): Promise<number> {
    if (performance.now() - this.lookedAtMs > REUSE_MS) {
      this.looking ??= this.look().finally(() => {
        this.looking = null;
      });
      await this.looking;
    }
    return this.throughMs;
  }

  private async look(): Promise<void> {
    const connection = this.link.current;
    if (connection === null || !this.link.isConnected) return;
    try {
      this.throughMs = Math.max(this.throughMs, await readThroughMs(connection));
      this.lookedAtMs = performance.now();
    } catch (err) {
      this.logger.warn({ err }, 'the state of the stream could not be read');
    }
  }
}

/**
 * Now, when nothing waits; else the instant at which the oldest message that is not booked came into the stream. Both by the
 * clock of NATS: by ours, one that is ahead would vouch for calls that have yet to come.
 */
async function readThroughMs(connection: NatsConnection): Promise<number> {
  const manager = await jetstreamManager(connection, { timeout: LOOK_TIMEOUT_MS, checkAPI: false });
  const consumer = await manager.consumers.info(REQUESTS_STREAM, METERING_CONSUMER);
  const nowMs = Date.parse(consumer.ts ?? '');
  if (Number.isNaN(nowMs)) throw new Error('the NATS server did not say what time it is (it is older than 2.10)');
  if (consumer.num_pending === 0 && consumer.num_ack_pending === 0) return nowMs;
  const oldest = await manager.streams.getMessage(REQUESTS_STREAM, { seq: consumer.ack_floor.stream_seq + 1 });
  return oldest === null ? 0 : Math.min(nowMs, oldest.time.getTime());
}
