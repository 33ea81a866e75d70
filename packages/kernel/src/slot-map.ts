/**
 * A map from texts to objects that come and go thousands of times a second. The objects stand in an array, and only the number of
 * their place in a `Map`: tables of a `Map` that were replaced keep alive what they held (see `Roster`), which is no more
 * than names and numbers here. Iterates in the order in which names were set first, as a `Map` does.
 */
export class SlotMap<Value extends object> {
  private readonly slots = new Map<string, number>();
  private readonly places: (Value | null)[] = [];
  private readonly free: number[] = [];

  get size(): number {
    return this.slots.size;
  }

  has(name: string): boolean {
    return this.slots.has(name);
  }

  get(name: string): Value | undefined {
    const slot = this.slots.get(name);
    return slot === undefined ? undefined : (this.places[slot] as Value);
  }

  set(name: string, value: Value): void {
    let slot = this.slots.get(name);
    if (slot === undefined) {
      slot = this.free.pop() ?? this.places.length;
      this.slots.set(name, slot);
    }
    this.places[slot] = value;
  }

  delete(name: string): boolean {
    const slot = this.slots.get(name);
    if (slot === undefined) return false;
    this.slots.delete(name);
    this.places[slot] = null;
    this.free.push(slot);
    return true;
  }

  clear(): void {
    this.slots.clear();
    this.places.length = 0;
    this.free.length = 0;
  }

  keys(): IterableIterator<string> {
    return this.slots.keys();
  }

  *values(): IterableIterator<Value> {
    for (const slot of this.slots.values()) yield this.places[slot] as Value;
  }

  *[Symbol.iterator](): IterableIterator<[string, Value]> {
    for (const [name, slot] of this.slots) yield [name, this.places[slot] as Value];
  }
}
