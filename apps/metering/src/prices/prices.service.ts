import { Inject, Injectable } from '@nestjs/common';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { readPriceRow } from './price-row.rules.js';
import { PricesRepository } from './prices.repository.js';

@Injectable()
export class PricesService {
  private book: Promise<ReadonlyMap<string, PriceVersion>> | null = null;

  /** Rows that were complained about: once each and not at every look. */
  private readonly unfitIds = new Set<string>();

  constructor(
    private readonly prices: PricesRepository,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

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
    const book = new Map<string, PriceVersion>();
    for (const row of await this.prices.list()) {
      const price = readPriceRow(row);
      if ('problem' in price) this.complain(price.id, price.problem);
      else book.set(price.id, price);
    }
    return book;
  }

  /** One row that cannot be used must not take all other prices away, and with them every charge. */
  private complain(id: string, problem: string): void {
    if (this.unfitIds.has(id)) return;
    this.unfitIds.add(id);
    this.logger.error({ priceVersionId: id, problem }, 'a price version cannot be used: it does not fit the contract');
  }
}
