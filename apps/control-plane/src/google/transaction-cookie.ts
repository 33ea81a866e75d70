import { Inject, Injectable } from '@nestjs/common';
import { returnToSchema } from '@tensorloop/contracts/api/auth';
import { z } from 'zod';
import { type CookieRequest, type CookieResponse, CookiesService } from '../cookies/cookies.service.js';
import { SealingService } from '../sealing/sealing.service.js';
import { TRANSACTION_MS } from './google.service.js';
import type { GoogleTransaction } from './google.types.js';

const transactionSchema = z.object({
  state: z.string().min(1),
  verifier: z.string().min(1),
  returnTo: returnToSchema,
  expiresAtMs: z.number(),
  linksUserId: z.string().nullable(),
});

/** What is under way with Google, in the browser whose it is: sealed, so that nobody reads PKCE's secret or makes one up. */
@Injectable()
export class TransactionCookie {
  constructor(
    @Inject(CookiesService) private readonly cookies: CookiesService,
    @Inject(SealingService) private readonly sealing: SealingService,
  ) {}

  read(req: CookieRequest): GoogleTransaction | null {
    const sealed = this.cookies.read(req, 'google');
    const transaction = transactionSchema.safeParse(sealed === null ? null : this.sealing.unseal('google-sign-in', sealed));
    return transaction.success ? transaction.data : null;
  }

  write(res: CookieResponse, transaction: GoogleTransaction): void {
    const value = this.sealing.seal('google-sign-in', transaction);
    this.cookies.write(res, 'google', { value, maxAgeMs: TRANSACTION_MS });
  }

  clear(res: CookieResponse): void {
    this.cookies.clear(res, 'google');
  }

  readSession(req: CookieRequest): string | null {
    return this.cookies.read(req, 'session');
  }

  writeSession(res: CookieResponse, cookie: { value: string; maxAgeMs: number }): void {
    this.cookies.write(res, 'session', cookie);
  }
}
