import { createHash, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock.js';
import type { User } from '../users/users.types.js';
import { MAIL_TOKEN_TTL_MS, type MailTokenPurpose } from './auth-mails.rules.js';
import { type MailToken, MailTokensRepository } from './mail-tokens.repository.js';

const TOKEN_BYTES = 32;

/** 256 random bits: nothing to guess, so a plain hash of it is what is stored. */
export function newMailToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

export function mailTokenHash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

@Injectable()
export class MailTokensService {
  constructor(
    @Inject(MailTokensRepository) private readonly repository: MailTokensRepository,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** A token for the link of a mail; the user's earlier ones for the same purpose open nothing any more. */
  async createLink(user: User, purpose: MailTokenPurpose): Promise<string> {
    const token = newMailToken();
    const fields = { tokenHash: mailTokenHash(token), purpose, email: user.email, codeHash: null };
    await this.repository.create(user.id, { ...fields, ...this.times(purpose, this.clock()) }, { replacesOthers: true });
    return token;
  }

  /** A code that is typed into the browser that holds the token. Codes that other browsers asked for stay. */
  async createCode(user: User, code: { tokenHash: string; codeHash: string; requestedAtMs: number }): Promise<void> {
    const { tokenHash, codeHash, requestedAtMs } = code;
    const fields = { tokenHash, purpose: 'sign_in_code', email: user.email, codeHash } as const;
    await this.repository.create(
      user.id,
      { ...fields, ...this.times('sign_in_code', requestedAtMs) },
      { replacesOthers: false },
    );
  }

  find(token: string, purpose: MailTokenPurpose): Promise<MailToken | null> {
    return this.repository.find(mailTokenHash(token), purpose, this.now());
  }

  countAttempt(token: MailToken, max: number): Promise<boolean> {
    return this.repository.countAttempt(token, max);
  }

  use(token: MailToken): Promise<boolean> {
    return this.repository.use(token, this.now());
  }

  private times(purpose: MailTokenPurpose, fromMs: number) {
    return { createdAt: new Date(fromMs), expiresAt: new Date(fromMs + MAIL_TOKEN_TTL_MS[purpose]) };
  }

  private now(): Date {
    return new Date(this.clock());
  }
}
