import { Inject, Injectable } from '@nestjs/common';
import { addressSchema, type GoogleCallbackQuery } from '@tensorloop/contracts/api/auth';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import { ProblemError } from '@tensorloop/nest-kit/problem';
import type { Logger } from '@tensorloop/observability/logger';
import type { Principal } from '../access/principal.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { UsersService } from '../users/users.service.js';
import type { Identity, User } from '../users/users.types.js';
import { type Decision, decideArrival, errorPath } from './google.rules.js';
import { GOOGLE_ISSUER, type GoogleErrorCode, type GoogleProfile, type GoogleTransaction } from './google.types.js';
import { GoogleClient } from './google-client.js';

/** How long somebody may take at Google. */
export const TRANSACTION_MS = 10 * 60_000;

/** Where the browser goes, with a new session or without. */
export interface GoogleResult {
  path: string;
  token: string | null;
}

type Arrived = { token: string | null } | { code: GoogleErrorCode };

/** Injection token: null where Google is not configured. */
export const GOOGLE_CLIENT = Symbol('google client');

@Injectable()
export class GoogleService {
  constructor(
    @Inject(GOOGLE_CLIENT) private readonly client: GoogleClient | null,
    @Inject(UsersService) private readonly users: UsersService,
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  get isConfigured(): boolean {
    return this.client !== null;
  }

  async begin(returnTo: string, linksUserId: string | null): Promise<{ url: string; transaction: GoogleTransaction }> {
    if (this.client === null) throw new Error('Google is not configured');
    const { url, secrets } = await this.client.begin();
    return { url, transaction: { ...secrets, returnTo, linksUserId, expiresAtMs: this.clock() + TRANSACTION_MS } };
  }

  /** The browser is back. `transaction` is null when its cookie is missing, or not ours. */
  async finish(
    query: GoogleCallbackQuery,
    transaction: GoogleTransaction | null,
    sessionToken: string | null,
  ): Promise<GoogleResult> {
    const arrived = await this.arrive(query, transaction, sessionToken);
    if ('code' in arrived) return { path: errorPath(arrived.code, transaction), token: null };
    return { path: transaction?.returnTo ?? '/', token: arrived.token };
  }

  private async arrive(
    query: GoogleCallbackQuery,
    transaction: GoogleTransaction | null,
    sessionToken: string | null,
  ): Promise<Arrived> {
    // Before anything is done with what came: without our own state it may be a link that somebody else made.
    if (transaction === null || this.clock() >= transaction.expiresAtMs || query.state !== transaction.state) {
      return { code: 'google_state_mismatch' };
    }
    if (query.error !== undefined) return { code: query.error === 'access_denied' ? 'google_denied' : 'google_failed' };
    const profile = await this.fetchProfile(query, transaction);
    return profile === null ? { code: 'google_failed' } : this.admit(profile, transaction, sessionToken);
  }

  private async fetchProfile(
    { code, state }: GoogleCallbackQuery,
    transaction: GoogleTransaction,
  ): Promise<GoogleProfile | null> {
    if (code === undefined || state === undefined || this.client === null) return null;
    try {
      return await this.client.finish({ code, state }, transaction);
    } catch (err) {
      this.logger.warn({ err }, 'Google did not confirm a sign-in');
      return null;
    }
  }

  private async admit(
    { subject, email, isEmailVerified }: GoogleProfile,
    { linksUserId }: GoogleTransaction,
    sessionToken: string | null,
  ): Promise<Arrived> {
    const address = addressSchema.safeParse({ email });
    const profile = { subject, email: address.success ? address.data.email : null, isEmailVerified };
    const known = await this.users.findByIdentity({ issuer: GOOGLE_ISSUER, subject });
    const local = profile.email === null || !isEmailVerified ? null : await this.users.findByEmail(profile.email);
    const principal = await this.sessions.authenticate(sessionToken);
    const isSignedIn = linksUserId !== null && principal?.userId === linksUserId;
    const link = linksUserId === null ? null : { user: isSignedIn ? await this.users.findById(linksUserId) : null };
    const decision = decideArrival({ profile, known, local, link });
    if (decision.kind === 'refuse') return { code: decision.code };
    if (decision.kind === 'linked_already') return { token: null };
    const identity: Identity = { issuer: GOOGLE_ISSUER, subject, email: profile.email ?? '' };
    if (decision.kind !== 'link') return this.enter(decision, identity, sessionToken);
    if (principal === null) return { code: 'google_session_over' };
    const { user, provesAddress } = decision;
    return this.link(user, identity, { principal, provesAddress });
  }

  private async link(
    user: User,
    identity: Identity,
    { principal, provesAddress }: { principal: Principal; provesAddress: boolean },
  ): Promise<Arrived> {
    const session = { id: principal.credentialId, accountId: principal.accountId };
    try {
      const isLinked = await this.users.linkIdentity(user, identity, { session, provesAddress });
      return isLinked ? { token: await this.sessions.rotate(principal) } : { code: 'google_linked_elsewhere' };
    } catch (err) {
      // Ended in this very moment, perhaps because the address's owner came.
      if (err instanceof ProblemError && err.code === 'credential_over') return { code: 'google_session_over' };
      throw err;
    }
  }

  private async enter(
    decision: Extract<Decision, { kind: 'sign_in' | 'sign_up' | 'claim' }>,
    identity: Identity,
    previousToken: string | null,
  ): Promise<Arrived> {
    const user = await this.findOrMake(decision, identity);
    // Two windows arrived at once and the other was first: it works at the next attempt.
    if (user === null) return { code: 'google_failed' };
    const signedIn = await this.sessions.begin(user, { method: 'google', identity, previousToken });
    return signedIn === null ? { code: 'google_refused' } : { token: signedIn.token };
  }

  private async findOrMake(
    decision: Extract<Decision, { kind: 'sign_in' | 'sign_up' | 'claim' }>,
    identity: Identity,
  ): Promise<User | null> {
    if (decision.kind === 'sign_in') return decision.user;
    if (decision.kind === 'sign_up') {
      return this.users.create({ email: decision.email, passwordHash: null, isVerified: true, identity });
    }
    return (await this.users.claimAddress(decision.user, 'google', { addsIdentity: identity })) ? decision.user : null;
  }
}
