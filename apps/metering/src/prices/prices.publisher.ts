import { isDeepStrictEqual } from 'node:util';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { type PriceBook, type PriceVersion, priceBookSchema } from '@tensorloop/contracts/price-book';
import { PRICE_BOOK_KEY } from '@tensorloop/contracts/subjects';
import { NatsLink } from '@tensorloop/messaging/connection';
import { readSnapshot, SnapshotInvalidError, writeSnapshot } from '@tensorloop/messaging/snapshots';
import { ensureBuckets } from '@tensorloop/messaging/streams';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { PricesService } from './prices.service.js';

/** A price that an operator adds reaches gateways within about this time. */
export const PRICE_POLL_INTERVAL_MS = 5_000;

/**
 * Keeps the price book that gateways read equal to the database: at boot, when prices change, and when NATS lost it.
 * Replicas that write at the same time write the same.
 */
@Injectable()
export class PricesPublisher implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private isStopping = false;

  constructor(
    private readonly prices: PricesService,
    @Inject(NatsLink) private readonly link: NatsLink,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.link.ready.then(
      () => this.poll(),
      () => {},
    );
  }

  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private poll(): void {
    if (this.isStopping) return;
    this.running = this.publish()
      .catch((err: unknown) => this.logger.warn({ err }, 'the price book could not be published'))
      .then(() => {
        if (!this.isStopping) this.timer = setTimeout(() => this.poll(), PRICE_POLL_INTERVAL_MS);
      });
  }

  /** Writes a new revision unless the published one has the same prices. */
  async publish(): Promise<void> {
    const prices = [...(await this.prices.refresh())];
    const { snapshots } = await ensureBuckets(await this.link.ready);
    const published = await readPublished(() => readSnapshot(snapshots, PRICE_BOOK_KEY, priceBookSchema));
    if (published !== null && isDeepStrictEqual(published.prices, prices)) return;
    const revision = (published?.revision ?? 0) + 1;
    await writeSnapshot(snapshots, PRICE_BOOK_KEY, { schema: priceBookSchema, value: toPriceBook(revision, prices) });
    this.logger.info({ revision, prices: prices.length }, 'published the price book');
  }
}

/** A snapshot that nobody can read is replaced like one that is not there. */
async function readPublished(read: () => Promise<{ value: PriceBook } | null>): Promise<PriceBook | null> {
  try {
    return (await read())?.value ?? null;
  } catch (error) {
    if (error instanceof SnapshotInvalidError) return null;
    throw error;
  }
}

function toPriceBook(revision: number, prices: PriceVersion[]): PriceBook {
  return { v: 1, revision, prices };
}
