import { createHash } from 'node:crypto';
import { TOKENS_PER_ACCOUNT_MAX, type Token } from '@tensorloop/contracts/api/tokens';
import type { Role } from '@tensorloop/contracts/dashboard-api';
import { outranks } from '../access/permission.types.js';
import type { StoredToken, TokenCreator } from './tokens.types.js';

const PREVIEW_HEAD_LENGTH = 12;
const PREVIEW_TAIL_LENGTH = 4;
/** A token's last use is written down at most this often: a row update per request would buy nothing. */
const TOUCH_INTERVAL_MS = 60_000;

/** What is stored. A plain hash suffices: the token has 256 random bits, so there is nothing to guess. */
export function tokenHashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** "tlm_" and the account tag, then the last four characters. */
export function tokenPreviewOf(text: string): string {
  return `${text.slice(0, PREVIEW_HEAD_LENGTH)}…${text.slice(-PREVIEW_TAIL_LENGTH)}`;
}

/** Whoever made it must still be able to do everything that it can. */
function isBacked(token: Pick<StoredToken, 'role'>, creator: TokenCreator | null): boolean {
  return creator !== null && !creator.isDisabled && outranks(creator.role, token.role);
}

export function tokenStatus(token: StoredToken, creator: TokenCreator | null, nowMs: number): Token['status'] {
  if (token.revokedAt !== null) return 'revoked';
  if (token.expiresAt.getTime() <= nowMs) return 'expired';
  return isBacked(token, creator) ? 'active' : 'stopped';
}

export function isTouchDue(lastUsedAt: Date | null, nowMs: number): boolean {
  return lastUsedAt === null || nowMs - lastUsedAt.getTime() >= TOUCH_INTERVAL_MS;
}

export type TokenRefusalCode = 'token_role_above_own' | 'token_limit_reached' | 'account_not_active';

/** Why a token cannot be made, or null. */
export function refuseToken(
  wanted: { role: Role },
  creator: { role: Role },
  account: { isActive: boolean; activeTokens: number },
): TokenRefusalCode | null {
  if (!account.isActive) return 'account_not_active';
  if (!outranks(creator.role, wanted.role)) return 'token_role_above_own';
  return account.activeTokens >= TOKENS_PER_ACCOUNT_MAX ? 'token_limit_reached' : null;
}

export type TokenDenial = 'malformed' | 'unknown' | 'revoked' | 'expired' | 'stopped' | 'account_not_active';

/** Said to whoever holds the text of the token, who may know what became of it. */
export const TOKEN_DENIALS: Readonly<Record<TokenDenial, string>> = {
  malformed:
    'The management token is malformed: a token is "tlm_" and 57 letters and digits, copied whole. Check for a missing or changed character.',
  unknown: 'There is no such management token.',
  revoked: 'This management token was revoked.',
  expired: 'This management token has expired; create a new one.',
  stopped: 'Whoever created this management token has left the account, is disabled, or has a lesser role than the token now.',
  account_not_active: 'The account of this management token is disabled or about to be deleted.',
};
