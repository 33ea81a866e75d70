import type { Key, KeyCreated } from '@tensorloop/contracts/dashboard-api';
import { uuid7Schema } from '@tensorloop/contracts/identity';
import { formatUsd } from '@tensorloop/kernel/money';
import { z } from 'zod';
import type { StoredKey } from './keys.types.js';

export const keyListQuerySchema = z.strictObject({
  /** Revoked and expired keys leave the list (spec TL-3) unless asked for. */
  include: z.enum(['inactive']).optional(),
});
export type KeyListQuery = z.infer<typeof keyListQuerySchema>;

export const keyParamsSchema = z.strictObject({ id: uuid7Schema });
export type KeyParams = z.infer<typeof keyParamsSchema>;

export function toKey(key: StoredKey, nowMs: number): Key {
  return {
    id: key.id,
    name: key.name,
    preview: key.preview,
    models: key.models,
    budgetUsd: formatUsd(key.budgetNanoUsd),
    rpm: key.rpm,
    createdAt: new Date(key.mintedAtMs).toISOString(),
    expiresAt: new Date(key.expiresAtMs).toISOString(),
    status: key.revokedAtMs !== null ? 'revoked' : key.expiresAtMs <= nowMs ? 'expired' : 'active',
  };
}

export function toKeyCreated(key: StoredKey, keyText: string, nowMs: number): KeyCreated {
  return { ...toKey(key, nowMs), key: keyText };
}
