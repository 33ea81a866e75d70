import { Inject, Injectable } from '@nestjs/common';
import { ControlClient } from '@tensorloop/db/control-client';
import type { MailTokenPurpose } from './auth-mails.rules.js';

export interface NewMailToken {
  tokenHash: string;
  purpose: MailTokenPurpose;
  email: string;
  codeHash: string | null;
  createdAt: Date;
  expiresAt: Date;
}

export interface MailToken {
  tokenHash: string;
  userId: string;
  email: string;
  codeHash: string | null;
}

/** What mails let their readers do, once. Found by its hash, changed by its user. */
@Injectable()
export class MailTokensRepository {
  constructor(@Inject(ControlClient) private readonly control: ControlClient) {}

  /** Earlier ones of the user that are over are deleted; those that are not, too, if this one takes their place. */
  async create(userId: string, token: NewMailToken, { replacesOthers }: { replacesOthers: boolean }): Promise<void> {
    const { tokenHash, purpose, createdAt } = token;
    const over = replacesOthers ? {} : { OR: [{ expiresAt: { lte: createdAt } }, { tokenHash }] };
    await this.control.withUser(userId, async (tx) => {
      await tx.mailToken.deleteMany({ where: { userId, purpose, ...over } });
      await tx.mailToken.create({ data: { ...token, userId } });
    });
  }

  /** Null when there is none, or it is over. */
  find(tokenHash: string, purpose: MailTokenPurpose, now: Date): Promise<MailToken | null> {
    return this.control.within({ presentedHash: tokenHash }, (tx) =>
      tx.mailToken.findFirst({
        where: { tokenHash, purpose, usedAt: null, expiresAt: { gt: now } },
        select: { tokenHash: true, userId: true, email: true, codeHash: true },
      }),
    );
  }

  /** Counts an attempt before it is made. False when there were `max` already: guesses sent at once do not all pass. */
  async countAttempt({ userId, tokenHash }: MailToken, max: number): Promise<boolean> {
    const { count } = await this.control.withUser(userId, (tx) =>
      tx.mailToken.updateMany({
        where: { tokenHash, usedAt: null, attempts: { lt: max } },
        data: { attempts: { increment: 1 } },
      }),
    );
    return count === 1;
  }

  /** True for the one caller whose use it is. */
  async use({ userId, tokenHash }: MailToken, now: Date): Promise<boolean> {
    const { count } = await this.control.withUser(userId, (tx) =>
      tx.mailToken.updateMany({ where: { tokenHash, usedAt: null, expiresAt: { gt: now } }, data: { usedAt: now } }),
    );
    return count === 1;
  }
}
