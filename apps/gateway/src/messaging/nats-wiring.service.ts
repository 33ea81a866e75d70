import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { modelCatalogueSchema } from '@tensorloop/contracts/model-catalogue';
import { priceBookSchema } from '@tensorloop/contracts/price-book';
import { MODEL_CATALOGUE_KEY, PRICE_BOOK_KEY, SNAPSHOTS_BUCKET } from '@tensorloop/contracts/subjects';
import type { NatsLink } from '@tensorloop/messaging/connection';
import { type Heartbeat, startHeartbeat } from '@tensorloop/messaging/heartbeats';
import { createPublisher, type JetStreamPublisher } from '@tensorloop/messaging/publisher';
import { serveReassert, subscribeSettled } from '@tensorloop/messaging/settled';
import { watchSnapshot } from '@tensorloop/messaging/snapshots';
import { ensureRequestsStream, jetstreamManager } from '@tensorloop/messaging/streams';
import type { Logger } from '@tensorloop/observability/logger';
import type { ModelStore } from '../models/model-store.service.js';
import type { EpochRecovery } from '../recovery/epoch-recovery.service.js';
import type { SettleAcks } from '../settlement/settle-acks.service.js';
import type { Shipper } from '../settlement/shipper.service.js';

export interface NatsWiringParts {
  gatewayId: string;
  link: NatsLink;
  models: ModelStore;
  shipper: Shipper;
  acks: SettleAcks;
  epochs: EpochRecovery;
  logger: Logger;
}

interface Stoppable {
  stop(): Promise<void>;
}

/** Everything this gateway says and hears over NATS, set up once the first connection is there. */
export class NatsWiring {
  private publisher: JetStreamPublisher | null = null;
  private heartbeat: Heartbeat | null = null;
  private watches: Stoppable[] = [];
  private subscriptions: Subscription[] = [];

  constructor(private readonly parts: NatsWiringParts) {}

  start(): void {
    // Rejects only when the link is closed before it ever connected: then there is nothing to set up.
    this.parts.link.ready.then((connection) => this.wire(connection)).catch(() => undefined);
  }

  /** Publishes still go out afterwards, and settle-acks still come in: the journal empties until the link closes. */
  async stopListening(): Promise<void> {
    await Promise.all(this.watches.map((watch) => watch.stop()));
    this.watches = [];
  }

  /** `isJournalEmpty`: nobody needs to wait for this gateway any more. */
  async stop(isJournalEmpty: boolean): Promise<void> {
    for (const subscription of this.subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
    this.publisher?.close();
    const leaving = isJournalEmpty && this.parts.link.isConnected ? this.heartbeat?.leave() : this.heartbeat?.stop();
    await leaving?.catch(() => undefined);
  }

  private async wire(connection: NatsConnection): Promise<void> {
    const { gatewayId, models, shipper, acks, epochs, logger } = this.parts;
    const onProblem = (err: unknown) => logger.warn({ err }, 'a message or snapshot could not be used');
    this.subscriptions = [
      subscribeSettled(connection, gatewayId, { onSettled: (settled) => void acks.apply(settled), onProblem }),
      serveReassert(connection, { onRequest: (request) => epochs.reassert(request), onProblem }),
    ];
    const snapshot = { connection, bucket: SNAPSHOTS_BUCKET, onProblem };
    this.watches = [
      watchSnapshot({
        ...snapshot,
        key: MODEL_CATALOGUE_KEY,
        schema: modelCatalogueSchema,
        onValue: ({ value }) => models.setCatalogue(value),
      }),
      watchSnapshot({
        ...snapshot,
        key: PRICE_BOOK_KEY,
        schema: priceBookSchema,
        onValue: ({ value }) => models.setPriceBook(value),
      }),
    ];
    this.heartbeat = startHeartbeat({ connection, gatewayId, onProblem });
    await this.ensureStream(connection);
    this.publisher = createPublisher({ connection });
    shipper.connect(this.publisher);
  }

  /** Metering creates the stream too; whoever comes first does. Without it publishes fail and are repeated. */
  private async ensureStream(connection: NatsConnection): Promise<void> {
    try {
      await ensureRequestsStream(await jetstreamManager(connection));
    } catch (err) {
      this.parts.logger.warn({ err }, 'the stream of requests could not be created; metering will');
    }
  }
}
