import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { NanoUsd } from '@tensorloop/kernel/money';
import type { Redis } from 'ioredis';
import { scopeKey } from './redis-keys.js';

/** What Redis knows of a spending scope at one instant. */
export interface ScopeUse {
  /** Metering's total as of the last acknowledgement; null = Redis was told of none. */
  totalNanoUsd: NanoUsd | null;
  /** Of calls that have ended and are not acknowledged. */
  settledNanoUsd: NanoUsd;
  /** Of calls in flight. */
  heldNanoUsd: NanoUsd;
}

const FIELDS = ['total', 'settled', 'held'] as const;

/** Reads scopes of one account for people to look at, in their order and one round trip. Rejects when Redis does not answer. */
export async function readScopeUse(redis: Redis, accountTag: string, scopes: readonly Scope[]): Promise<ScopeUse[]> {
  const pipeline = redis.pipeline();
  for (const scope of scopes) pipeline.hmget(scopeKey(accountTag, scope), ...FIELDS);
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, value]) => {
    if (error) throw error;
    const [total, settled, held] = value as (string | null)[];
    return {
      totalNanoUsd: total ? BigInt(total) : null,
      settledNanoUsd: BigInt(settled || '0'),
      heldNanoUsd: BigInt(held || '0'),
    };
  });
}
