import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { KeyCreated, Me, Problem } from '@tensorloop/contracts/dashboard-api';
import { createLogger } from '@tensorloop/observability/logger';
import { createMetrics } from '@tensorloop/observability/metrics';
import type { SpanOptions, Tracing } from '@tensorloop/observability/tracing';
import { createTestDatabase, type TestDatabase } from '@tensorloop/testing/database';
import { startTestNats, startTestRedis, type TestServer } from '@tensorloop/testing/servers';
import { Redis } from 'ioredis';
import { type AppContext, buildApp, startApp } from './app.js';
import { configSchema } from './config.js';

export const PEPPER = 'pepper-of-the-specs';
export const GATEWAY_URL = 'http://gateway.test:4000';
const PASSWORD = 'correct horse battery staple';

export interface Answer<Body> {
  status: number;
  headers: Headers;
  body: Body;
  text: string;
}

const OCTET_VALUES = 256;

/** A browser without a page: keeps cookies, and comes from a network of its own, so that limits count each by itself. */
export class TestBrowser {
  /** As the proxy in front tells it: the service trusts loopback here. */
  address = `10.${randomInt(OCTET_VALUES)}.${randomInt(OCTET_VALUES)}.7`;
  private readonly cookies = new Map<string, string>();
  constructor(readonly url: string) {}

  /** The Cookie header, or null. Set it to that of another browser to be a copy of it. */
  get cookie(): string | null {
    return this.cookies.size === 0 ? null : [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  set cookie(header: string | null) {
    this.cookies.clear();
    for (const pair of header?.split('; ') ?? []) this.keep(pair);
  }

  async send<Body = Problem>(
    method: string,
    path: string,
    options: { body?: unknown; headers?: Record<string, string>; redirect?: 'manual' } = {},
  ): Promise<Answer<Body>> {
    const response = await fetch(this.url + path, {
      method,
      redirect: options.redirect ?? 'follow',
      headers: {
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        'x-forwarded-for': this.address,
        ...(this.cookie === null ? {} : { cookie: this.cookie }),
        ...options.headers,
      },
      ...(options.body === undefined
        ? {}
        : { body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body) }),
    });
    for (const line of response.headers.getSetCookie()) this.keep(line.split(';')[0] as string);
    const text = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, text, body: (isJson ? JSON.parse(text) : undefined) as Body };
  }

  /** One that was cleared is set to nothing. */
  private keep(pair: string): void {
    const [name = '', value = ''] = pair.split('=');
    if (value === '') this.cookies.delete(name);
    else this.cookies.set(name, value);
  }

  mint(key: Record<string, unknown> = {}): Promise<Answer<KeyCreated & Omit<Problem, 'status'>>> {
    return this.send('POST', '/api/keys', { body: { name: 'spec', ...key } });
  }
}

export interface TestControlPlane {
  app: NestExpressApplication;
  context: AppContext;
  url: string;
  database: TestDatabase;
  redisServer: TestServer;
  nats: TestServer;
  redis: Redis;
  /** Moved by tests; ms added to the real time. */
  clockOffsetMs: number;
  /** Every log line so far. */
  logLines: string[];
  /** Every span that has begun, oldest first. */
  spans: RecordedSpan[];
  browser(): TestBrowser;
  /** A fresh account, signed in. */
  signUp(email?: string): Promise<{ browser: TestBrowser; me: Me; email: string; password: string }>;
  close(): Promise<void>;
}

/** A control plane on servers of its own. `metering` is absent unless a spec plays it. */
export async function startControlPlane(settings: Record<string, string> = {}): Promise<TestControlPlane> {
  const [database, redisServer, nats] = await Promise.all([
    createTestDatabase({ seed: { upstreamBaseUrl: 'http://127.0.0.1:4900/v1', credential: null } }),
    startTestRedis(),
    startTestNats(),
  ]);
  const config = configSchema.parse({
    PORT: '0',
    NATS_URL: nats.url,
    DATABASE_URL: database.urls.controlApp,
    RELAY_DATABASE_URL: database.urls.controlRelay,
    OPERATOR_DATABASE_URL: database.urls.controlOperator,
    REDIS_URL: redisServer.url,
    KEY_PEPPER: PEPPER,
    GATEWAY_URL,
    TRUSTED_PROXIES: 'loopback',
    ...settings,
  });
  const logLines: string[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      logLines.push(chunk.toString());
      done();
    },
  });
  const spans: RecordedSpan[] = [];
  const started = { clockOffsetMs: 0 };
  const context: AppContext = {
    config,
    logger: createLogger({ service: 'control-plane', destination }),
    metrics: createMetrics('control-plane'),
    tracing: recordSpans(spans),
    clock: () => Date.now() + started.clockOffsetMs,
  };
  const app = await buildApp(context);
  const url = (await startApp(app, context)).replace('[::1]', '127.0.0.1');
  const redis = new Redis(redisServer.url);
  redis.on('error', () => undefined);
  const browser = () => new TestBrowser(url);
  return Object.assign(started, {
    app,
    context,
    url,
    database,
    redisServer,
    nats,
    redis,
    logLines,
    spans,
    browser,
    async signUp(email = `${randomUUID()}@example.com`) {
      const own = browser();
      const { status, body } = await own.send<Me>('POST', '/api/auth/sign-up', { body: { email, password: PASSWORD } });
      if (status !== 201) throw new Error(`sign-up answered ${status}: ${JSON.stringify(body)}`);
      return { browser: own, me: body, email, password: PASSWORD };
    },
    async close() {
      redis.disconnect();
      await app.close();
      await Promise.all([database.drop(), redisServer.stop(), nats.stop()]);
    },
  });
}

export interface RecordedSpan extends SpanOptions {
  name: string;
  traceparent: string;
}

function recordSpans(spans: RecordedSpan[]): Tracing {
  return {
    isEnabled: true,
    startSpan(name, options = {}) {
      const traceparent = `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;
      spans.push({ ...options, name, traceparent });
      return { traceparent, set() {}, fail() {}, end() {} };
    },
    shutdown: () => Promise.resolve(),
  };
}
