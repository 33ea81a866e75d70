import { Inject, Injectable } from '@nestjs/common';
import { type Page, toPage } from '@tensorloop/contracts/api/pages';
import type { Token, TokenCreate, TokenCreated, TokenListQuery } from '@tensorloop/contracts/api/tokens';
import { newManagementToken, parseManagementToken } from '@tensorloop/kernel/management-token';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { outranks } from '../access/permission.types.js';
import type { Principal } from '../access/principal.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { CURSORS } from '../pages/cursor.types.js';
import { toToken } from './tokens.dto.js';
import { TokensRepository } from './tokens.repository.js';
import {
  isTouchDue,
  refuseToken,
  type TokenDenial,
  type TokenRefusalCode,
  tokenHashOf,
  tokenPreviewOf,
  tokenStatus,
} from './tokens.rules.js';
import type { TokenCreator } from './tokens.types.js';

const DAY_MS = 86_400_000;

export type CreateResult = { outcome: 'created'; token: TokenCreated } | { outcome: 'refused'; code: TokenRefusalCode };
export type AuthenticateResult = { ok: true; principal: Principal } | { ok: false; denial: TokenDenial };

@Injectable()
export class TokensService {
  constructor(
    @Inject(TokensRepository) private readonly repository: TokensRepository,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** The text is in the result and nowhere else. */
  create({ accountId, userId, email, role }: Principal, wanted: TokenCreate): Promise<CreateResult> {
    const nowMs = this.clock();
    return this.repository.withLockedAccount(accountId, nowMs, async (account) => {
      const code = refuseToken(wanted, { role }, account);
      if (code !== null) return { outcome: 'refused', code };
      const text = newManagementToken(account.tag);
      const token = {
        id: uuid7(nowMs),
        tokenHash: tokenHashOf(text),
        name: wanted.name,
        preview: tokenPreviewOf(text),
        role: wanted.role,
        createdBy: userId,
        createdAt: new Date(nowMs),
        expiresAt: new Date(nowMs + wanted.expiresInDays * DAY_MS),
      };
      const creator: TokenCreator = { email, role, isDisabled: false };
      const stored = await account.insertToken(token, (row) => ({ ...toToken(row, creator, nowMs), token: null }));
      return { outcome: 'created', token: { ...toToken(stored, creator, nowMs), token: text } };
    });
  }

  async list(accountId: string, { cursor, limit, include }: TokenListQuery): Promise<Page<Token>> {
    const nowMs = this.clock();
    const activeAtMs = include === 'inactive' ? null : nowMs;
    const rows = await this.repository.listTokens(accountId, {
      after: CURSORS.tokens.read(cursor),
      limit: limit + 1,
      activeAtMs,
    });
    return toPage(rows, limit, {
      cursorOf: ({ token }) => CURSORS.tokens.write(token.id),
      toItem: ({ token, creator }) => toToken(token, creator, nowMs),
    });
  }

  /** Refused on the very next request: every request asks the database. */
  revoke({ accountId, role }: Principal, id: string): Promise<'revoked' | 'above_role' | null> {
    const mayRevoke = (tokenRole: Principal['role']) => outranks(role, tokenRole);
    return this.repository.revokeToken(accountId, id, { now: new Date(this.clock()), mayRevoke });
  }

  /** Who a request with this token acts as. */
  async authenticate(text: string): Promise<AuthenticateResult> {
    if (parseManagementToken(text) === null) return { ok: false, denial: 'malformed' };
    const found = await this.repository.findPresented(tokenHashOf(text));
    if (found === null) return { ok: false, denial: 'unknown' };
    const { token, creator, isAccountActive } = found;
    const nowMs = this.clock();
    const status = tokenStatus(token, creator, nowMs);
    if (status !== 'active') return { ok: false, denial: status };
    if (!isAccountActive) return { ok: false, denial: 'account_not_active' };
    if (isTouchDue(token.lastUsedAt, nowMs)) await this.repository.touchToken(token.accountId, token.id, new Date(nowMs));
    const { accountId, createdBy: userId, role, id: credentialId, name: label } = token;
    return {
      ok: true,
      principal: { kind: 'token', userId, email: creator?.email ?? '', accountId, role, credentialId, label },
    };
  }
}
