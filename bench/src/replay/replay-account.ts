import { randomBytes } from 'node:crypto';
import {
  type ActivityPage,
  activityPageSchema,
  type KeyCreated,
  keyCreatedSchema,
  meSchema,
  type UsageSummary,
  usageSummarySchema,
} from '@tensorloop/contracts/dashboard-api';
import { setAccountPlan } from '@tensorloop/db/operator';
import { request } from 'undici';
import type { z } from 'zod';
import { REPLAY_KEYS } from './call-plan.js';
import type { Installation } from './replay-options.js';

/** The operator's plan for load runs: its ceilings are out of reach. */
const PLAN = 'internal';
const REQUEST_MS_MAX = 30_000;
const ERROR_TEXT_LENGTH_MAX = 300;

/** A fresh account for one replay, used over HTTP like any customer's; only its plan is set by the operator. */
export class ReplayAccount {
  readonly email = `replay-${Date.now()}-${randomBytes(3).toString('hex')}@example.com`;
  readonly password = randomBytes(18).toString('base64url');
  readonly keys: KeyCreated[] = [];
  private readonly origin: string;
  private cookie = '';

  private constructor(controlPlaneUrl: string) {
    this.origin = new URL(controlPlaneUrl).origin;
  }

  static async create(installation: Installation): Promise<ReplayAccount> {
    const account = new ReplayAccount(installation.controlPlaneUrl);
    await account.send('POST', '/api/auth/sign-up', { email: account.email, password: account.password });
    const me = meSchema.parse(await account.send('GET', '/api/me'));
    await setAccountPlan(installation.ownerDatabaseUrl, me.account.id, PLAN);
    for (let index = 0; index < REPLAY_KEYS; index++) {
      account.keys.push(keyCreatedSchema.parse(await account.send('POST', '/api/keys', { name: `replay ${index}` })));
    }
    return account;
  }

  activity(query: { limit: number; cursor?: string; keyId?: string }): Promise<ActivityPage> {
    const parameters = new URLSearchParams({ limit: String(query.limit) });
    if (query.cursor) parameters.set('cursor', query.cursor);
    if (query.keyId) parameters.set('keyId', query.keyId);
    return this.read(`/api/activity?${parameters}`, activityPageSchema);
  }

  usageSummary(): Promise<UsageSummary> {
    return this.read('/api/usage/summary', usageSummarySchema);
  }

  private async read<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return schema.parse(await this.send('GET', path));
  }

  private async send(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
    const response = await request(new URL(path, this.origin), {
      method,
      headers: {
        origin: this.origin,
        ...(this.cookie === '' ? {} : { cookie: this.cookie }),
        ...(body ? { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() } : {}),
      },
      headersTimeout: REQUEST_MS_MAX,
      bodyTimeout: REQUEST_MS_MAX,
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.body.text();
    if (response.statusCode >= 300) {
      throw new Error(`${method} ${path} was answered ${response.statusCode}: ${text.slice(0, ERROR_TEXT_LENGTH_MAX)}`);
    }
    const cookies = [response.headers['set-cookie'] ?? []].flat();
    if (cookies.length > 0) this.cookie = cookies.map((cookie) => cookie.split(';')[0]).join('; ');
    return text === '' ? null : JSON.parse(text);
  }
}
