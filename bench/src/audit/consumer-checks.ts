import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { METERING_CONSUMER, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import type { CheckResult } from './audit.types.js';
import { CheckRecorder } from './check-result.js';

export interface ConsumerLag {
  /** Stored and not yet delivered. */
  pending: number;
  /** Delivered and not yet acknowledged. */
  unacknowledged: number;
}

export async function readConsumerLag(connection: NatsConnection): Promise<ConsumerLag> {
  const manager = await jetstreamManager(connection);
  const info = await manager.consumers.info(REQUESTS_STREAM, METERING_CONSUMER);
  return { pending: info.num_pending, unacknowledged: info.num_ack_pending };
}

export async function checkConsumerLag(connection: NatsConnection): Promise<CheckResult> {
  const lag = await readConsumerLag(connection);
  return new CheckRecorder('metering: nothing left to consume')
    .equal(`stream ${REQUESTS_STREAM} undelivered`, 0, lag.pending)
    .equal(`stream ${REQUESTS_STREAM} unacknowledged`, 0, lag.unacknowledged)
    .result();
}
