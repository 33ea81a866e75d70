import type { TokenRanks } from './token-ranks.js';

/** What is longer is counted in pieces of this size, which costs a token at most where two meet. */
export const PIECE_BYTES_MAX = 1 << 16;

/**
 * Counts the tokens of one word: of all pairs of neighbours that are a token together, the one of the lowest rank is joined, the
 * leftmost first, until there is none. Candidates wait in a heap, so that the time grows with a word's length and not its square.
 */
export class BytePairs {
  private readonly ranks: TokenRanks;
  /** Of each part of the word, by where it begins: where the next and the one before it begin. */
  private readonly next = new Int32Array(PIECE_BYTES_MAX + 1);
  private readonly previous = new Int32Array(PIECE_BYTES_MAX + 1);
  /** The rank of a part together with the next; negative for none. */
  private readonly joined = new Int32Array(PIECE_BYTES_MAX + 1);
  /** Rank and place in one number, the lowest on top. */
  private readonly heap: number[] = [];

  constructor(ranks: TokenRanks) {
    this.ranks = ranks;
  }

  /** Of the bytes in `[from, to)`. */
  count(bytes: Uint8Array, from: number, to: number): number {
    if (this.ranks.rankOf(bytes, from, to) >= 0) return 1;
    let tokens = 0;
    for (let at = from; at < to; at += PIECE_BYTES_MAX) {
      tokens += this.join(bytes.subarray(at, Math.min(to, at + PIECE_BYTES_MAX)));
    }
    return tokens;
  }

  /** How many parts remain. */
  private join(word: Uint8Array): number {
    const { next, previous, joined, heap } = this;
    for (let at = 0; at < word.length; at++) {
      next[at] = at + 1;
      previous[at] = at - 1;
    }
    for (let at = 0; at < word.length; at++) this.look(word, at);
    let parts = word.length;
    while (heap.length > 0) {
      const top = this.pop();
      const at = top % PIECE_BYTES_MAX;
      // Of a part that is joined already, or has another neighbour by now.
      if (joined[at] !== Math.floor(top / PIECE_BYTES_MAX)) continue;
      const gone = next[at] as number;
      const after = next[gone] as number;
      next[at] = after;
      previous[after] = at;
      joined[gone] = -1;
      parts--;
      this.look(word, at);
      if (at > 0) this.look(word, previous[at] as number);
    }
    return parts;
  }

  private look(word: Uint8Array, at: number): void {
    const second = this.next[at] as number;
    const rank = second < word.length ? this.ranks.rankOf(word, at, this.next[second] as number) : -1;
    this.joined[at] = rank;
    if (rank >= 0) this.push(rank * PIECE_BYTES_MAX + at);
  }

  private push(entry: number): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((heap[parent] as number) <= entry) break;
      heap[at] = heap[parent] as number;
      at = parent;
    }
    heap[at] = entry;
  }

  private pop(): number {
    const { heap } = this;
    const top = heap[0] as number;
    const last = heap.pop() as number;
    if (heap.length === 0) return top;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
      if ((heap[child] as number) >= last) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
