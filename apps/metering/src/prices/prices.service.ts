import { Injectable } from '@nestjs/common';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import { PricesRepository } from './prices.repository.js';

@Injectable()
export class PricesService {
  private book: Promise<ReadonlyMap<string, PriceVersion>> | null = null;

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

  private async load(): Promise<ReadonlyMap<string, PriceVersion>> {
    const prices = await this.prices.list();
    return new Map(prices.map((price) => [price.id, price]));
  }
}
