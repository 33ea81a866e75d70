/**
 * What texts mean, where few texts come again and again. Dropped as a whole when full. The text itself is copied before it is read: one that was cut
 * out of a reply is a part of it, and V8 keeps the whole for as long as a part.
 */
export class TextMemo<Meaning extends object> {
  private readonly meanings = new Map<string, Meaning>();

  constructor(
    private readonly textsMax: number,
    private readonly parse: (text: string) => Meaning,
  ) {}

  get size(): number {
    return this.meanings.size;
  }

  /** Frozen, and the same object for the same text while it is remembered. */
  read(text: string): Readonly<Meaning> {
    const known = this.meanings.get(text);
    if (known !== undefined) return known;
    const copy = Buffer.from(text).toString();
    const meaning = Object.freeze(this.parse(copy));
    if (this.meanings.size >= this.textsMax) this.meanings.clear();
    this.meanings.set(copy, meaning);
    return meaning;
  }
}
