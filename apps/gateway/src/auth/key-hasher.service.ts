import { createHmac } from 'node:crypto';

const CACHE_ENTRIES_MAX = 10_000;

/**
 * HMAC-SHA256(pepper) of key texts. The hash is a pure function of the text, so remembering it can never make a revoked key
 * valid; the cache holds digests of the busiest keys to spare two SHA-256 blocks per call.
 */
export class KeyHasher {
  private readonly cache = new Map<string, string>();

  constructor(private readonly pepper: string) {}

  hash(keyText: string): string {
    const known = this.cache.get(keyText);
    if (known !== undefined) return known;
    const hash = createHmac('sha256', this.pepper).update(keyText).digest('hex');
    if (this.cache.size >= CACHE_ENTRIES_MAX) this.cache.delete(this.cache.keys().next().value as string);
    this.cache.set(keyText, hash);
    return hash;
  }
}
