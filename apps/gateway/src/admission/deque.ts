/** The places of what was shifted are given up in one go, when they are at least so many and half of all. */
const COMPACT_AFTER = 1_024;

/** A list that is taken from at both ends, in constant time on average. */
export class Deque<Item> {
  private items: (Item | undefined)[] = [];
  private shifted = 0;

  get size(): number {
    return this.items.length - this.shifted;
  }

  get first(): Item | undefined {
    return this.items[this.shifted];
  }

  push(item: Item): void {
    this.items.push(item);
  }

  shift(): Item | undefined {
    const item = this.first;
    if (this.size === 0) return undefined;
    this.items[this.shifted] = undefined;
    this.shifted += 1;
    this.compact();
    return item;
  }

  pop(): Item | undefined {
    if (this.size === 0) return undefined;
    const item = this.items.pop();
    this.compact();
    return item;
  }

  private compact(): void {
    if (this.size > 0 && this.shifted < Math.max(COMPACT_AFTER, this.size)) return;
    this.items = this.items.slice(this.shifted);
    this.shifted = 0;
  }
}
