import { randomBytes, timingSafeEqual } from 'node:crypto';
import { type Profile, Strategy, type StrategyOptions, type VerifyCallback } from 'passport-google-oauth20';
import type { GoogleProfile } from './google.types.js';

const STATE_BYTES = 32;
/** Google's answer is waited for this long; the browser waits too. */
const ANSWER_TIMEOUT_MS = 10_000;

export interface GoogleClientOptions {
  clientID: string;
  clientSecret: string;
  callbackURL: string;
  authorizationURL: string;
  tokenURL: string;
  userProfileURL: string;
}

export interface Secrets {
  state: string;
  verifier: string;
}

/** What the strategy is given for a request. */
interface StrategyRequest {
  query: { code?: string; state?: string };
  /** Of a browser that comes back; set by `begin` for one that leaves. */
  secrets: Secrets | null;
}

type Outcome = { kind: 'redirect'; url: string } | { kind: 'success'; profile: Profile } | { kind: 'fail' };
type Stored = (err: Error | null, state?: string) => void;
type Loaded = (err: Error | null, verifier: string | false, info?: unknown) => void;

/**
 * The OAuth 2 code flow with Google by passport's strategy, which is driven here as passport drives it, without its
 * middleware: what it keeps between two requests is in a sealed cookie of ours, and a link is begun by an API call that
 * answers with an address instead of a redirect.
 */
export class GoogleClient {
  private readonly strategy: Strategy;

  constructor(options: GoogleClientOptions) {
    const store = {
      // The number of parameters tells the strategy that this store keeps PKCE's verifier. Fewer of them and it would be given none.
      // biome-ignore lint/complexity/useMaxParams: the strategy's own interface
      store(req: StrategyRequest, verifier: string, _state: unknown, _meta: unknown, done: Stored) {
        const state = randomBytes(STATE_BYTES).toString('base64url');
        req.secrets = { state, verifier };
        done(null, state);
      },
      // biome-ignore lint/complexity/useMaxParams: the strategy's own interface
      verify(req: StrategyRequest, state: string, _meta: unknown, done: Loaded) {
        const { secrets } = req;
        if (secrets === null || !isSame(state, secrets.state)) return done(null, false);
        done(null, secrets.verifier);
      },
    };
    const strategyOptions = { ...options, scope: ['openid', 'email'], state: true, pkce: true, store };
    this.strategy = new Strategy(
      strategyOptions as unknown as StrategyOptions,
      // biome-ignore lint/complexity/useMaxParams: the strategy's own interface
      (_accessToken: string, _refreshToken: string, profile: Profile, done: VerifyCallback) => done(null, profile as never),
    );
  }

  /** Where the browser has to go, and what it must bring back. */
  async begin(): Promise<{ url: string; secrets: Secrets }> {
    const request: StrategyRequest = { query: {}, secrets: null };
    const outcome = await this.run(request, { prompt: 'select_account' });
    if (outcome.kind !== 'redirect' || request.secrets === null) throw new Error('the strategy did not redirect');
    return { url: outcome.url, secrets: request.secrets };
  }

  /**
   * Redeems the code and asks Google whose it is. Null when the state is not the one that the browser left with. Rejects
   * when Google refuses the code, as it does a second time, or does not answer.
   */
  async finish(query: { code: string; state: string }, secrets: Secrets): Promise<GoogleProfile | null> {
    const outcome = await this.run({ query, secrets }, {});
    if (outcome.kind !== 'success') return null;
    const { sub, email, email_verified } = outcome.profile._json as Record<string, unknown>;
    if (typeof sub !== 'string' || sub === '') throw new Error("Google's answer names no subject");
    // Strictly true: a text "false" would count as true otherwise.
    return { subject: sub, email: typeof email === 'string' ? email : null, isEmailVerified: email_verified === true };
  }

  private run(request: StrategyRequest, options: object): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('Google did not answer in time')), ANSWER_TIMEOUT_MS);
      const settle = (outcome: Outcome) => {
        clearTimeout(timer);
        resolve(outcome);
      };
      // As passport does it: one object for each request, whose strategy is its prototype.
      const attempt = Object.assign(Object.create(this.strategy) as object, {
        redirect: (url: string) => settle({ kind: 'redirect', url }),
        success: (profile: Profile) => settle({ kind: 'success', profile }),
        fail: () => settle({ kind: 'fail' }),
        pass: () => settle({ kind: 'fail' }),
        error: (err: Error) => {
          clearTimeout(timer);
          reject(err);
        },
      }) as Strategy;
      attempt.authenticate(request as never, options as never);
    });
  }
}

function isSame(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
