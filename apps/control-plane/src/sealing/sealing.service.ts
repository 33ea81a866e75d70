import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../config.js';
import { keyedHash, type SealPurpose, seal, sealingKey, unseal } from './sealing.rules.js';

/**
 * Seals what leaves the process for a while and comes back: cookies that carry more than a token, jobs in Redis. Every
 * replica has the key, made from KEY_PEPPER; a new pepper makes what is under way unreadable, which is minutes of it.
 */
@Injectable()
export class SealingService {
  private readonly key: Buffer;

  constructor(@Inject(CONFIG) config: Config) {
    this.key = sealingKey(config.KEY_PEPPER);
  }

  seal(purpose: SealPurpose, value: unknown): string {
    return seal(this.key, purpose, JSON.stringify(value));
  }

  /** Null for what was not sealed here. Its shape is the caller's to check. */
  unseal(purpose: SealPurpose, sealed: string): unknown {
    const text = unseal(this.key, purpose, sealed);
    return text === null ? null : (JSON.parse(text) as unknown);
  }

  hash(purpose: SealPurpose, text: string): string {
    return keyedHash(this.key, purpose, text);
  }
}
