import {
  type ActivityPage,
  activityPageSchema,
  type Key,
  type KeyCreate,
  type KeyCreated,
  keyCreatedSchema,
  keyListSchema,
  type Me,
  meSchema,
  type UsageSummary,
  usageSummarySchema,
} from '@tensorloop/contracts/dashboard-api';

const REQUEST_TIMEOUT_MS = 10_000;

export interface Answer {
  status: number;
  body: unknown;
  headers: Headers;
}

/** The dashboard API as a browser uses it: one cookie, JSON in and out. */
export class Dashboard {
  private cookie = '';

  constructor(private readonly baseUrl: string) {}

  async signUp(email: string, password: string): Promise<Me> {
    return meSchema.parse(await this.ok('POST', '/api/auth/sign-up', { email, password }));
  }

  async mintKey(key: KeyCreate): Promise<KeyCreated> {
    return keyCreatedSchema.parse(await this.ok('POST', '/api/keys', key));
  }

  async listKeys(): Promise<Key[]> {
    return keyListSchema.parse(await this.ok('GET', '/api/keys')).data;
  }

  async activity(query: Record<string, string> = {}): Promise<ActivityPage> {
    return activityPageSchema.parse(await this.ok('GET', `/api/activity?${new URLSearchParams(query)}`));
  }

  async usageSummary(): Promise<UsageSummary> {
    return usageSummarySchema.parse(await this.ok('GET', '/api/usage/summary'));
  }

  /** The answer as it came, whatever its status. */
  async send(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(new URL(path, this.baseUrl), {
      method,
      headers: { cookie: this.cookie, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    const cookies = response.headers.getSetCookie().map((cookie) => cookie.split(';')[0]);
    if (cookies.length > 0) this.cookie = cookies.join('; ');
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text), headers: response.headers };
  }

  private async ok(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.send(method, path, body);
    if (answer.status >= 400)
      throw new Error(`${method} ${path} was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }
}
