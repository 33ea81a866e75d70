import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import type { SessionsService } from '../sessions/sessions.service.js';
import type { ThrottleService } from '../throttle/throttle.service.js';
import type { UsersService } from '../users/users.service.js';
import type { User } from '../users/users.types.js';
import { AuthService, SIGN_UP_MS_MIN } from './auth.service.js';
import type { AuthMailService } from './auth-mail.service.js';
import type { PasswordChecks } from './password-checks.js';

/** A queue of hashes that takes longer than the whole of a sign-up in peace. */
const QUEUE_MS = SIGN_UP_MS_MIN * 2;
/** What a new user costs the database, and a taken address does not. */
const CREATION_MS = SIGN_UP_MS_MIN / 2;
const SLACK_MS = SIGN_UP_MS_MIN / 4;

const USER: User = { id: 'u', email: 'a@example.com', passwordHash: 'h', isVerified: false, isDisabled: false };

function service(create: () => Promise<User | null>): AuthService {
  const passwords = { require: () => undefined, hash: () => sleep(QUEUE_MS, 'h') };
  const mails = { isConfigured: true, send: () => Promise.resolve() };
  return new AuthService(
    { create } as unknown as UsersService,
    {} as SessionsService,
    passwords as unknown as PasswordChecks,
    { takeMail: () => Promise.resolve() } as unknown as ThrottleService,
    mails as unknown as AuthMailService,
  );
}

it('a sign-up takes as long for a taken address as for a free one, however long its password waits to be hashed (TL-1)', async () => {
  const timeOf = async (create: () => Promise<User | null>) => {
    const startedMs = performance.now();
    await service(create).signUp({ email: USER.email, password: 'p', previousToken: null });
    return performance.now() - startedMs;
  };
  const [takenMs, freeMs] = await Promise.all([
    timeOf(() => Promise.resolve(null)),
    timeOf(async () => {
      await sleep(CREATION_MS);
      return USER;
    }),
  ]);
  expect(Math.abs(takenMs - freeMs)).toBeLessThan(SLACK_MS);
  expect(Math.min(takenMs, freeMs)).toBeGreaterThan((QUEUE_MS + SIGN_UP_MS_MIN) * 0.95);
});
