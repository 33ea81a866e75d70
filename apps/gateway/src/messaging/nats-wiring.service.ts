import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { FENCE_AFTER_MS } from '@tensorloop/contracts/gateway-registry';
import { modelCatalogueSchema } from '@tensorloop/contracts/model-catalogue';
import { priceBookSchema } from '@tensorloop/contracts/price-book';
import { MODEL_CATALOGUE_KEY, PRICE_BOOK_KEY, SNAPSHOTS_BUCKET } from '@tensorloop/contracts/subjects';
import type { NatsLink } from '@tensorloop/messaging/connection';
import { retryDelayMs } from '@tensorloop/messaging/consumer';
import { type GatewayIdTakenError, type Heartbeat, startHeartbeat } from '@tensorloop/messaging/heartbeats';
import { createPublisher, type JetStreamPublisher } from '@tensorloop/messaging/publisher';
import { serveReassert, subscribeSettled } from '@tensorloop/messaging/settled';
import { watchSnapshot } from '@tensorloop/messaging/snapshots';
import { ensureRequestsStream, jetstreamManager } from '@tensorloop/messaging/streams';
import type { Clock } from '@tensorloop/nest-kit/clock';
import type { Logger } from '@tensorloop/observability/logger';
import type { ModelStore } from '../models/model-store.service.js';
import type { EpochRecovery } from '../recovery/epoch-recovery.service.js';
import type { NatsRegistry } from '../recovery/nats-registry.service.js';
import type { Reassertions } from '../recovery/reassertions.service.js';
import type { SettleAcks } from '../settlement/settle-acks.service.js';
import type { Shipper } from '../settlement/shipper.service.js';

/** After a silence of this length others may have opened epochs without this gateway: half of what fences it. */
export const SILENCE_MS_MAX = FENCE_AFTER_MS / 2;

export interface NatsWiringParts {
  gatewayId: string;
  journalId: string;
  link: NatsLink;
  models: ModelStore;
  shipper: Shipper;
  acks: SettleAcks;
  epochs: EpochRecovery;
  reassertions: Pick<Reassertions, 'all'>;
  registry: Pick<NatsRegistry, 'remember'>;
  /** Another gateway beats under this one's id. Called at most once. */
  onTaken: (error: GatewayIdTakenError) => void;
  clock: Clock;
  logger: Logger;
}

interface Stoppable {
  stop(): Promise<void>;
}

/** Everything this gateway says and hears over NATS, set up once the first connection is there. */
export class NatsWiring {
  /** Resolves at the first confirmed beat: from then on nobody else answers for this gateway's holds. */
  readonly registered: Promise<void>;
  private isRegistered: () => void = () => undefined;
  private publisher: JetStreamPublisher | null = null;
  private heartbeat: Heartbeat | null = null;
  private watches: Stoppable[] = [];
  private subscriptions: Subscription[] = [];
  private isStopping = false;
  private isReassertionDue = true;
  private beatenAtMs = 0;

  constructor(private readonly parts: NatsWiringParts) {
    this.registered = new Promise((resolve) => {
      this.isRegistered = resolve;
    });
  }

  start(): void {
    // Rejects only when the link is closed before it ever connected: then there is nothing to set up.
    this.parts.link.ready.then((connection) => this.keepTrying(connection)).catch(() => undefined);
  }

  /** Publishes still go out afterwards, and settle-acks still come in: the journal empties until the link closes. */
  async stopListening(): Promise<void> {
    await Promise.all(this.watches.map((watch) => watch.stop()));
    this.watches = [];
  }

  /** `isJournalEmpty`: nobody needs to wait for this gateway any more. */
  async stop(isJournalEmpty: boolean): Promise<void> {
    this.isStopping = true;
    this.unsubscribe();
    this.publisher?.close();
    const leaving = isJournalEmpty && this.parts.link.isConnected ? this.heartbeat?.leave() : this.heartbeat?.stop();
    await leaving?.catch(() => undefined);
  }

  /** A gateway that is only half connected looks alive and is not: whatever fails is said and tried again. */
  private async keepTrying(connection: NatsConnection): Promise<void> {
    void this.followReconnects(connection);
    for (let attempt = 1; !this.isStopping && !connection.isClosed(); attempt++) {
      try {
        await this.wire(connection);
        return;
      } catch (err) {
        const retryInMs = retryDelayMs(attempt);
        this.parts.logger.error({ err, attempt, retryInMs }, 'NATS could not be set up; it will be tried again');
        await this.unwire();
        await new Promise((resolve) => setTimeout(resolve, retryInMs).unref());
      }
    }
  }

  private async wire(connection: NatsConnection): Promise<void> {
    const { gatewayId, journalId, onTaken, shipper, logger } = this.parts;
    const onProblem = (err: unknown) => logger.warn({ err }, 'a message or snapshot could not be used');
    this.watches = this.watchSnapshots(connection, onProblem);
    this.heartbeat = startHeartbeat({
      connection,
      gatewayId,
      journalId,
      onTaken,
      onProblem,
      clock: this.parts.clock,
      onBeat: () => this.beaten(connection, onProblem),
    });
    await this.ensureStream(connection);
    this.publisher = createPublisher({ connection });
    shipper.connect(this.publisher);
  }

  private async unwire(): Promise<void> {
    this.unsubscribe();
    this.publisher?.close();
    await Promise.all([this.heartbeat?.stop(), ...this.watches.map((watch) => watch.stop())]);
    this.publisher = null;
    this.heartbeat = null;
    this.watches = [];
  }

  private unsubscribe(): void {
    for (const subscription of this.subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
    this.subscriptions = [];
  }

  /** Only a gateway that is known to be the one of its id may answer for its holds. */
  private beaten(connection: NatsConnection, onProblem: (err: unknown) => void): void {
    const { gatewayId, acks, epochs, reassertions, registry } = this.parts;
    if (this.isStopping) return;
    registry.remember().catch(onProblem);
    if (this.subscriptions.length === 0) {
      this.subscriptions = [
        subscribeSettled(connection, gatewayId, { onSettled: (settled) => void acks.apply(settled), onProblem }),
        serveReassert(connection, { onRequest: (request) => epochs.reassert(request), onProblem }),
      ];
      this.isRegistered();
    }
    const beatenAtMs = performance.now();
    if (this.isReassertionDue || beatenAtMs - this.beatenAtMs > SILENCE_MS_MAX) void reassertions.all();
    this.isReassertionDue = false;
    this.beatenAtMs = beatenAtMs;
  }

  private async followReconnects(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type !== 'reconnect') continue;
      this.isReassertionDue = true;
      this.heartbeat?.beat();
    }
  }

  private watchSnapshots(connection: NatsConnection, onProblem: (err: unknown) => void): Stoppable[] {
    const { models } = this.parts;
    const snapshot = { connection, bucket: SNAPSHOTS_BUCKET, onProblem };
    return [
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
