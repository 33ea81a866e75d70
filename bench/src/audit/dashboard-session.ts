import { meSchema } from '@tensorloop/contracts/dashboard-api';
import { request } from 'undici';
import { AuditUnavailable } from './audit.types.js';

export interface SessionOptions {
  controlPlaneUrl: string;
  email: string;
  password: string;
}

/** Signed in to the dashboard API like a browser, for reading. */
export class DashboardSession {
  private constructor(
    private readonly baseUrl: string,
    private readonly cookie: string,
  ) {}

  static async signIn(options: SessionOptions): Promise<DashboardSession> {
    const url = new URL('/api/auth/sign-in', options.controlPlaneUrl);
    const response = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: options.email, password: options.password }),
    }).catch((error: Error) => {
      throw new AuditUnavailable(`The control plane does not answer on ${url.origin}: ${error.message}`);
    });
    const text = await response.body.text();
    if (response.statusCode >= 400)
      throw new AuditUnavailable(`Signing in as ${options.email} was refused (${response.statusCode}): ${text}`);
    const cookies = [response.headers['set-cookie'] ?? []].flat().map((cookie) => cookie.split(';')[0]);
    return new DashboardSession(url.origin, cookies.join('; '));
  }

  async accountId(): Promise<string> {
    return meSchema.parse(await this.get('/api/me')).account.id;
  }

  async get(path: string): Promise<unknown> {
    const response = await request(new URL(path, this.baseUrl), { headers: { cookie: this.cookie } });
    const text = await response.body.text();
    if (response.statusCode !== 200) throw new AuditUnavailable(`GET ${path} was answered ${response.statusCode}: ${text}`);
    return JSON.parse(text);
  }
}
