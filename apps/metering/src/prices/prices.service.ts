import { Injectable } from '@nestjs/common';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import { PricesRepository } from './prices.repository.js';

/** Events that name unknown versions make us read the prices again, but not more often than this. */
const REFRESH_INTERVAL_MS_MIN = 1_000;

@Injectable()
export class PricesService {
  private book: Promise<ReadonlyMap<string, PriceVersion>> | null = null;
  private loadedAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly prices: PricesRepository) {}

  /** All versions by id. Rejects while they cannot be read: "not loaded" must not look like "no such price". */
  getBook(): Promise<ReadonlyMap<string, PriceVersion>> {
    if (this.book === null) {
      const loading = this.load();
      this.book = loading;
      loading.catch(() => {
        if (this.book === loading) this.book = null;
      });
    }
    return this.book;
  }

  /** Reads the versions from the database and remembers them. */
  async refresh(): Promise<readonly PriceVersion[]> {
    // A failed read throws here and takes nothing away: what was read before stays true, versions never change.
    const book = await this.load();
    this.book = Promise.resolve(book);
    return [...book.values()];
  }

  /** Refreshes unless that was done a moment ago; returns whether it did. */
  async refreshStale(): Promise<boolean> {
    if (performance.now() - this.loadedAtMs < REFRESH_INTERVAL_MS_MIN) return false;
    await this.refresh();
    return true;
  }

  private async load(): Promise<ReadonlyMap<string, PriceVersion>> {
    const startedAtMs = performance.now();
    const prices = await this.prices.list();
    this.loadedAtMs = startedAtMs;
    return new Map(prices.map((price) => [price.id, price]));
  }
}
