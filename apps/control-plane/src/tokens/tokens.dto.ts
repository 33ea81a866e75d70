import type { Token } from '@tensorloop/contracts/api/tokens';
import { uuid7Schema } from '@tensorloop/contracts/identity';
import { z } from 'zod';
import { tokenStatus } from './tokens.rules.js';
import type { StoredToken, TokenCreator } from './tokens.types.js';

export const tokenParamsSchema = z.strictObject({ id: uuid7Schema });
export type TokenParams = z.infer<typeof tokenParamsSchema>;

export function toToken(token: StoredToken, creator: TokenCreator | null, nowMs: number): Token {
  const { id, name, preview, role } = token;
  return {
    id,
    name,
    preview,
    role,
    createdBy: { userId: token.createdBy, email: creator?.email ?? null },
    createdAt: token.createdAt.toISOString(),
    expiresAt: token.expiresAt.toISOString(),
    lastUsedAt: token.lastUsedAt?.toISOString() ?? null,
    status: tokenStatus(token, creator, nowMs),
  };
}
