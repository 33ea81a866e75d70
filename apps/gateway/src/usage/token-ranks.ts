import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** A power of two; the 199,998 tokens of o200k_base take two in five. */
const SLOTS = 1 << 19;
const TOKENS_MAX = SLOTS / 2;
const CHUNK_BYTES = 1 << 16;
const LINE_END = 0x0a;
const SPACE = 0x20;
const ZERO = 0x30;
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** By character code; negative for what is none of the alphabet, as the padding. */
const SEXTETS = new Int8Array(256).fill(-1);
for (let value = 0; value < BASE64.length; value++) SEXTETS[BASE64.charCodeAt(value)] = value;

/**
 * The tokens of a byte pair encoding by their bytes, in four megabytes: a hash table of numbers, since as strings in a map they
 * take sixty.
 */
export class TokenRanks {
  /** The bytes of all tokens, one after the other. Larger than they are: what is never written takes no memory. */
  private readonly bytes: Uint8Array;
  /** Where each token begins in them; behind the last, where that ends. */
  private readonly begins = new Uint32Array(TOKENS_MAX + 1);
  /** By hash, with open addressing: a token's rank plus one. */
  private readonly slots = new Uint32Array(SLOTS);
  private count = 0;
  private bytesMax = 0;

  /** Reads a file of lines: a token in Base64, a space, and its rank, from 0 upwards without a gap (the format of tiktoken). */
  constructor(path: string) {
    const file = openSync(path, 'r');
    try {
      this.bytes = new Uint8Array(fstatSync(file).size);
      this.read(file);
    } finally {
      closeSync(file);
    }
  }

  get size(): number {
    return this.count;
  }

  /** Of the bytes in `[from, to)`; negative when they are no token. */
  rankOf(bytes: Uint8Array, from: number, to: number): number {
    if (to - from > this.bytesMax) return -1;
    for (let slot = hashOf(bytes, from, to); ; slot = (slot + 1) & (SLOTS - 1)) {
      const rank = (this.slots[slot] as number) - 1;
      if (rank < 0 || (this.lengthOf(rank) === to - from && this.standsAt(from, bytes, rank))) return rank;
    }
  }

  /** In chunks: the file as a whole would stay in memory until something else needed it. */
  private read(file: number): void {
    const chunk = new Uint8Array(CHUNK_BYTES);
    let end = 0;
    let isRank = false;
    let rank = 0;
    let held = 0;
    let bits = 0;
    for (let length = readSync(file, chunk); length > 0; length = readSync(file, chunk)) {
      for (let at = 0; at < length; at++) {
        const code = chunk[at] as number;
        if (code === LINE_END) {
          this.add(rank, end);
          isRank = false;
          rank = held = bits = 0;
        } else if (isRank) {
          rank = rank * 10 + code - ZERO;
        } else if (code === SPACE) {
          isRank = true;
        } else if ((SEXTETS[code] as number) >= 0) {
          held = ((held << 6) | (SEXTETS[code] as number)) & 0xffff;
          bits += 6;
          if (bits >= 8) {
            bits -= 8;
            this.bytes[end++] = held >> bits;
          }
        }
      }
    }
  }

  /** The token whose last byte was just read. */
  private add(rank: number, end: number): void {
    if (rank !== this.count) throw new Error(`token ${this.count} of the encoding has rank ${rank}`);
    if (rank === TOKENS_MAX) throw new Error(`the encoding has more than ${TOKENS_MAX} tokens`);
    const begin = this.begins[rank] as number;
    let slot = hashOf(this.bytes, begin, end);
    while (this.slots[slot] !== 0) slot = (slot + 1) & (SLOTS - 1);
    this.slots[slot] = ++this.count;
    this.begins[this.count] = end;
    this.bytesMax = Math.max(this.bytesMax, end - begin);
  }

  private lengthOf(rank: number): number {
    return (this.begins[rank + 1] as number) - (this.begins[rank] as number);
  }

  private standsAt(from: number, bytes: Uint8Array, rank: number): boolean {
    const end = this.begins[rank + 1] as number;
    for (let at = this.begins[rank] as number, other = from; at < end; at++, other++) {
      if (this.bytes[at] !== bytes[other]) return false;
    }
    return true;
  }
}

/** FNV-1a, its upper bits folded into the lower. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return (hash ^ (hash >>> 15)) & (SLOTS - 1);
}
