import { Agent, request } from 'undici';

const REQUEST_MS_MAX = 30_000;

export interface Answer {
  status: number;
  text: string;
}

export interface Sent {
  body?: object;
  /** The client's address, as a proxy before the control plane would tell it. */
  address?: string;
}

/** A browser of the dashboard: keeps its session, and its connections open. */
export class DashboardClient {
  private readonly agent: Agent;
  private cookie = '';

  constructor(
    private readonly origin: string,
    connections: number,
  ) {
    this.agent = new Agent({ connections, pipelining: 1, headersTimeout: REQUEST_MS_MAX, bodyTimeout: REQUEST_MS_MAX });
  }

  async send(method: 'GET' | 'POST', path: string, { body, address }: Sent = {}): Promise<Answer> {
    const response = await request(new URL(path, this.origin), {
      dispatcher: this.agent,
      method,
      headers: {
        origin: this.origin,
        ...(this.cookie === '' ? {} : { cookie: this.cookie }),
        ...(address === undefined ? {} : { 'x-forwarded-for': address }),
        ...(body ? { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.body.text();
    const cookies = [response.headers['set-cookie'] ?? []].flat();
    if (cookies.length > 0 && response.statusCode < 300) this.cookie = cookies.map((cookie) => cookie.split(';')[0]).join('; ');
    return { status: response.statusCode, text };
  }

  /** Throws unless it went well. */
  async ask(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
    const { status, text } = await this.send(method, path, body === undefined ? {} : { body });
    if (status >= 300) throw new Error(`${method} ${path} was answered ${status}: ${text.slice(0, 300)}`);
    return text === '' ? null : JSON.parse(text);
  }

  close(): Promise<void> {
    return this.agent.close();
  }
}
