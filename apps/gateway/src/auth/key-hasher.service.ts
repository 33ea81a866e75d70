import { createHmac } from 'node:crypto';

const CACHE_ENTRIES_MAX = 10_000;

/**
 * HMAC-SHA256(pepper) of key texts. The hash is a pure function of the text, so remembering it can never make a revoked key
 * valid; the cache holds digests of the busiest keys to spare two SHA-256 blocks per call.
 */
export class KeyHasher {
  private readonly cache = new Map<string, string>();
  /** Hash → hash under the pepper before, of the same texts; empty unless peppers are being rotated. */
  private readonly previous = new Map<string, string>();

  constructor(
    private readonly pepper: string,
    private readonly previousPepper?: string,
  ) {}

  hash(keyText: string): string {
    const known = this.cache.get(keyText);
    if (known !== undefined) return known;
    const hash = hmac(this.pepper, keyText);
    remember(this.cache, keyText, hash);
    if (this.previousPepper !== undefined) remember(this.previous, hash, hmac(this.previousPepper, keyText));
    return hash;
  }

  /** Of a text that was hashed a moment ago: its hash under the pepper before. Undefined when there is none. */
  previousHashOf(hash: string): string | undefined {
    return this.previous.get(hash);
  }
}

function hmac(pepper: string, keyText: string): string {
  return createHmac('sha256', pepper).update(keyText).digest('hex');
}

/** The longest remembered entry makes room. */
function remember(entries: Map<string, string>, name: string, value: string): void {
  if (entries.size >= CACHE_ENTRIES_MAX) entries.delete(entries.keys().next().value as string);
  entries.set(name, value);
}
