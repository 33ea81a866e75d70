import { type Model, type ModelCatalogue, modelCatalogueSchema } from '@tensorloop/contracts/model-catalogue';
import { type PriceBook, type PriceVersion, priceBookSchema } from '@tensorloop/contracts/price-book';
import { priceVersionAt } from '@tensorloop/pricing/price-version';
import type { SnapshotCache } from './snapshot-cache.js';

const CATALOGUE_FILE = 'model-catalogue';
const PRICE_BOOK_FILE = 'price-book';

/**
 * Models and prices in force, as the last snapshots had them. Each snapshot is kept on the disk too, so that a gateway can
 * start and serve while NATS is away.
 */
export class ModelStore {
  private models = new Map<string, Model>();
  private aliases = new Map<string, Model>();
  private catalogue: ModelCatalogue | null = null;
  private readonly followers: ((catalogue: ModelCatalogue) => void)[] = [];
  private prices = new Map<string, PriceVersion[]>();
  private hasPrices = false;

  constructor(private readonly cache: SnapshotCache) {
    const catalogue = cache.read(CATALOGUE_FILE, modelCatalogueSchema);
    if (catalogue !== null) this.useCatalogue(catalogue);
    const book = cache.read(PRICE_BOOK_FILE, priceBookSchema);
    if (book !== null) this.usePriceBook(book);
  }

  /** False until both snapshots have been seen once: nothing can be admitted before. */
  get isReady(): boolean {
    return this.catalogue !== null && this.hasPrices;
  }

  setCatalogue(catalogue: ModelCatalogue): void {
    this.useCatalogue(catalogue);
    this.cache.write(CATALOGUE_FILE, catalogue);
  }

  setPriceBook(book: PriceBook): void {
    this.usePriceBook(book);
    this.cache.write(PRICE_BOOK_FILE, book);
  }

  /** Calls with the catalogue in force, if there is one, and with each that follows. */
  onCatalogue(follower: (catalogue: ModelCatalogue) => void): void {
    this.followers.push(follower);
    if (this.catalogue !== null) follower(this.catalogue);
  }

  /** By id or alias; an id goes first, so that no alias can take a model's name. */
  findModel(name: string): Model | null {
    return this.models.get(name) ?? this.aliases.get(name) ?? null;
  }

  listModels(): Model[] {
    return [...this.models.values()];
  }

  /** Null when the model has no price at that instant: it is refused then, never free. */
  findPrice(model: string, atMs: number): PriceVersion | null {
    return priceVersionAt(this.prices.get(model) ?? [], model, atMs);
  }

  private useCatalogue(catalogue: ModelCatalogue): void {
    this.models = new Map(catalogue.models.map((model) => [model.id, model]));
    this.aliases = new Map(catalogue.models.flatMap((model) => model.aliases.map((alias) => [alias, model])));
    this.catalogue = catalogue;
    for (const follower of this.followers) follower(catalogue);
  }

  private usePriceBook(book: PriceBook): void {
    const prices = new Map<string, PriceVersion[]>();
    for (const price of book.prices) prices.set(price.model, [...(prices.get(price.model) ?? []), price]);
    this.prices = prices;
    this.hasPrices = true;
  }
}
