import { readFileSync } from 'node:fs';
import type { NatsConnection } from '@nats-io/transport-node';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { AdmissionView } from '@tensorloop/admission/admission-view';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import type { Model } from '@tensorloop/contracts/model-catalogue';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import type { AccountSettled, Scope } from '@tensorloop/contracts/settle-ack';
import { connectNats } from '@tensorloop/messaging/connection';
import { publishSettled } from '@tensorloop/messaging/settled';
import { ensureBuckets } from '@tensorloop/messaging/streams';
import { startTestNats, startTestRedis, TEST_REDIS_CALL_MS, type TestServer } from '@tensorloop/testing/servers';
import type { SourceProcess } from '@tensorloop/testing/source-process';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Redis } from 'ioredis';
import { publishSnapshots, startGateway, startUpstream } from './gateway-processes.js';
import { RequestEvents } from './request-events.js';
import { type TestKey, TestKeys } from './test-keys.js';
import { testModel } from './test-models.js';

export interface FixtureOptions {
  /** Further models, or changed ones; each gets the test price. */
  models?: (upstreamUrl: string) => Model[];
  /** Other prices than the test price, by model. */
  rates?: Record<string, PriceVersion['rates']>;
}

interface FixtureParts {
  folder: string;
  redisServer: TestServer;
  nats: TestServer;
  upstream: SourceProcess;
  gateway: SourceProcess;
  connection: NatsConnection;
}

const BUSY_RETRIES_MAX = 5;

/** A gateway, an upstream simulator, Redis and NATS as processes of their own. */
export class GatewayFixture {
  url: string;
  readonly folder: string;
  readonly redisServer: TestServer;
  readonly nats: TestServer;
  readonly upstreamUrl: string;
  readonly redis: Redis;
  readonly admission: AdmissionClient;
  gateway: SourceProcess;
  /** Settings of the next gateway, over the usual ones. */
  environment: Record<string, string> = {};
  /** Everything the gateways of this fixture wrote. */
  output = '';
  private readonly upstream: SourceProcess;
  private readonly connection: NatsConnection;
  private readonly events: RequestEvents;
  private readonly keys: TestKeys;

  private constructor(parts: FixtureParts) {
    this.folder = parts.folder;
    this.redisServer = parts.redisServer;
    this.nats = parts.nats;
    this.upstream = parts.upstream;
    this.upstreamUrl = String(parts.upstream.started.url);
    this.gateway = parts.gateway;
    this.url = String(parts.gateway.started.url);
    this.keepOutput();
    this.redis = new Redis(parts.redisServer.url);
    // Errors come out of the commands; without a listener they would be printed as well.
    this.redis.on('error', () => undefined);
    this.admission = new AdmissionClient(this.redis, undefined, TEST_REDIS_CALL_MS);
    this.keys = new TestKeys(this.admission);
    this.connection = parts.connection;
    this.events = new RequestEvents(parts.connection);
  }

  static async start(options: FixtureOptions = {}): Promise<GatewayFixture> {
    const folder = makeTestFolder('gateway');
    const [redisServer, nats, upstream] = await Promise.all([
      startTestRedis(),
      startTestNats(),
      startUpstream(oracleFileIn(folder)),
    ]);
    const upstreamUrl = String(upstream.started.url);
    const models = [
      testModel('gpt-4o-mini', upstreamUrl),
      testModel('gpt-4o', upstreamUrl),
      ...(options.models?.(upstreamUrl) ?? []),
    ];
    await publishSnapshots(nats.url, models, options.rates ?? {});
    const gateway = await startGateway({ folder, redisUrl: redisServer.url, natsUrl: nats.url });
    const connection = await connectNats({ url: nats.url, name: 'test' });
    const fixture = new GatewayFixture({ folder, redisServer, nats, upstream, gateway, connection });
    await fixture.waitUntilReady();
    return fixture;
  }

  /** The event of a call, once it stands in the stream. A call published twice must have said the same both times. */
  eventOf(requestId: string | null): Promise<RequestCompleted> {
    return this.events.eventOf(requestId);
  }

  get oracleFile(): string {
    return oracleFileIn(this.folder);
  }

  /** The id under which the gateway's journal is kept. */
  get gatewayId(): string {
    return readFileSync(`${this.folder}/journal/gateway-id`, 'utf8').trim();
  }

  /** As metering would after its commit. */
  acknowledge(settled: AccountSettled): void {
    publishSettled(this.connection, this.gatewayId, { v: 1, accounts: [settled] });
  }

  /** A beat of another gateway with this one's id, as after a split. */
  async takeGatewayId(): Promise<void> {
    const bucket = await this.gatewaysBucket();
    const nowMs = Date.now();
    const beat = { v: 1, gatewayId: this.gatewayId, startedAtMs: nowMs, beatAtMs: nowMs, instanceId: 'x', journalId: 'x' };
    await bucket.put(this.gatewayId, JSON.stringify(beat));
  }

  async giveGatewayIdBack(): Promise<void> {
    await (await this.gatewaysBucket()).delete(this.gatewayId);
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
  }

  async restartGateway(): Promise<void> {
    this.gateway = await startGateway({
      folder: this.folder,
      redisUrl: this.redisServer.url,
      natsUrl: this.nats.url,
      environment: this.environment,
    });
    this.url = String(this.gateway.started.url);
    this.keepOutput();
    await this.waitUntilReady();
  }

  async stop(): Promise<void> {
    this.redis.disconnect();
    await this.connection.close();
    await this.gateway.stop('SIGKILL');
    await this.upstream.stop();
    await Promise.all([this.redisServer.stop(), this.nats.stop()]);
    removeTestFolder(this.folder);
  }

  /** A key of an account of its own, as the control plane would have projected it. */
  addKey(change: Partial<KeyProjection> = {}): Promise<TestKey> {
    return this.keys.addKey(change);
  }

  project(key: TestKey, change: Partial<KeyProjection>): Promise<void> {
    return this.keys.project(key, change);
  }

  seedTotal(key: TestKey, scope: Scope): Promise<void> {
    return this.keys.seedTotal(key, scope);
  }

  get view(): AdmissionView {
    return new AdmissionView(this.redis);
  }

  chat(key: TestKey | string, body: object, init: RequestInit = {}): Promise<Response> {
    const message = { role: 'user', content: 'hello there' };
    return this.post('/chat/completions', key, {
      body: JSON.stringify({ model: 'gpt-4o-mini', messages: [message], ...body }),
      ...init,
    });
  }

  /** To a path below `/v1`. Comes back when Redis did not answer in time, as a client would: so it is on a machine that is busy with other tests. */
  async post(path: string, key: TestKey | string, init: RequestInit): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.postOnce(path, key, init);
      if (response.status !== 503 || attempt > BUSY_RETRIES_MAX) return response;
      if (!(await response.clone().text()).includes('"admission_unavailable"')) return response;
    }
  }

  /** The very first answer, for those who ask how a gateway refuses. */
  postOnce(path: string, key: TestKey | string, init: RequestInit): Promise<Response> {
    const text = typeof key === 'string' ? key : key.text;
    const headers = { authorization: `Bearer ${text}`, 'content-type': 'application/json' };
    return fetch(`${this.url}/v1${path}`, { method: 'POST', headers, ...init });
  }

  private async gatewaysBucket() {
    return (await ensureBuckets(this.connection)).gateways;
  }

  private keepOutput(): void {
    for (const stream of [this.gateway.child.stdout, this.gateway.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
  }

  private async waitUntilReady(): Promise<void> {
    await waitUntil(async () => (await fetch(`${this.url}/health/ready`)).status === 200, {
      what: 'the gateway to be ready',
    });
  }
}

function oracleFileIn(folder: string): string {
  return `${folder}/oracle.jsonl`;
}
