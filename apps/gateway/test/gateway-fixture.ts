import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { NatsConnection } from '@nats-io/transport-node';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { AdmissionView } from '@tensorloop/admission/admission-view';
import { CLOCK_MARGIN_MS } from '@tensorloop/admission/clock-margin';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { type Deployment, type Model, modelCatalogueSchema } from '@tensorloop/contracts/model-catalogue';
import { type PriceVersion, priceBookSchema } from '@tensorloop/contracts/price-book';
import { type RequestCompleted, requestCompletedSchema } from '@tensorloop/contracts/request-completed';
import type { AccountSettled, Scope } from '@tensorloop/contracts/settle-ack';
import { MODEL_CATALOGUE_KEY, PRICE_BOOK_KEY, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { newAccountTag, newKeyText } from '@tensorloop/kernel/key-text';
import { parseUsd } from '@tensorloop/kernel/money';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { connectNats } from '@tensorloop/messaging/connection';
import { publishSettled } from '@tensorloop/messaging/settled';
import { writeSnapshot } from '@tensorloop/messaging/snapshots';
import { ensureBuckets, jetstreamManager } from '@tensorloop/messaging/streams';
import { startTestNats, startTestRedis, type TestServer } from '@tensorloop/testing/servers';
import { type SourceProcess, startSource } from '@tensorloop/testing/source-process';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Redis } from 'ioredis';

export const PEPPER = 'a pepper for tests only';
export const UPSTREAM_SECRET = 'sk-test-upstream-0123456789abcdefghijklmnop';
const LISTENING = 'listening';
const DAY_MS = 24 * 60 * 60 * 1_000;

function entryOf(app: string): string {
  return fileURLToPath(new URL(`../../${app}/src/main.ts`, import.meta.url));
}

export function testModel(
  id: string,
  upstreamUrl: string,
  change: Partial<Model> & { deployment?: Partial<Deployment> } = {},
): Model {
  const { deployment, ...model } = change;
  return {
    id,
    ownedBy: 'test',
    createdAtMs: 1_700_000_000_000,
    endpoints: ['chat.completions'],
    contextTokens: 128_000,
    maxOutputTokens: 16_384,
    tokensPerKilobyteMax: 1_000,
    overheadTokens: 8,
    overheadTokensPerMessage: 8,
    imageTokensMax: null,
    isRetired: false,
    aliases: [],
    deployments: [
      {
        id: `${id}-1`,
        provider: 'openai',
        baseUrl: `${upstreamUrl}/v1`,
        upstreamModel: id,
        credential: 'env:TEST_UPSTREAM_KEY',
        headTimeoutMs: 30_000,
        idleTimeoutMs: 30_000,
        priority: 0,
        weight: 1,
        concurrencyMax: null,
        queueMax: 0,
        apiVersion: null,
        ...deployment,
      },
    ],
    ...model,
  };
}

export function testPrice(model: string): PriceVersion {
  return {
    id: uuid7(),
    model,
    effectiveFromMs: 0,
    effectiveToMs: null,
    rates: { input: '0.15', input_cache_read: '0.075', output: '0.60' },
  };
}

export interface TestKey {
  text: string;
  projection: KeyProjection;
}

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
}

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
  private connection: NatsConnection | null = null;
  private readonly events = new Map<string, RequestCompleted>();
  private eventsRead = 0;

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
    this.admission = new AdmissionClient(this.redis);
  }

  static async start(options: FixtureOptions = {}): Promise<GatewayFixture> {
    const folder = makeTestFolder('gateway');
    const [redisServer, nats, upstream] = await Promise.all([
      startTestRedis(),
      startTestNats(),
      startSource(entryOf('upstream-sim'), { PORT: '0', ORACLE_FILE: `${folder}/oracle.jsonl` }, LISTENING),
    ]);
    const upstreamUrl = String(upstream.started.url);
    const models = [
      testModel('gpt-4o-mini', upstreamUrl),
      testModel('gpt-4o', upstreamUrl),
      ...(options.models?.(upstreamUrl) ?? []),
    ];
    await publishSnapshots(nats.url, models, options.rates ?? {});
    const gateway = await startGateway({ folder, redisUrl: redisServer.url, natsUrl: nats.url });
    const fixture = new GatewayFixture({ folder, redisServer, nats, upstream, gateway });
    fixture.connection = await connectNats({ url: nats.url, name: 'test' });
    await fixture.waitUntilReady();
    return fixture;
  }

  /** The event of a call, once it stands in the stream. A call published twice must have said the same both times. */
  eventOf(requestId: string | null): Promise<RequestCompleted> {
    const find = async () => {
      await this.collectEvents();
      return this.events.get(requestId ?? '');
    };
    return waitUntil(find, { what: `the event of ${requestId}`, timeoutMs: 15_000 }) as Promise<RequestCompleted>;
  }

  get oracleFile(): string {
    return `${this.folder}/oracle.jsonl`;
  }

  /** The id under which the gateway's journal is kept. */
  get gatewayId(): string {
    return readFileSync(`${this.folder}/journal/gateway-id`, 'utf8');
  }

  /** As metering would after its commit. */
  acknowledge(settled: AccountSettled): void {
    if (this.connection === null) throw new Error('the fixture is not connected');
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
    await this.connection?.close();
    await this.gateway.stop('SIGKILL');
    await this.upstream.stop();
    await Promise.all([this.redisServer.stop(), this.nats.stop()]);
    removeTestFolder(this.folder);
  }

  /** A key of an account of its own, as the control plane would have projected it. */
  async addKey(change: Partial<KeyProjection> = {}): Promise<TestKey> {
    const accountTag = change.accountTag ?? newAccountTag();
    const text = newKeyText(accountTag);
    const { admission } = this;
    const rebuildId = await admission.beginRebuild(accountTag, uuid7());
    if (rebuildId !== null) await admission.openEpoch({ accountTag, rebuildId, expectedGatewayIds: [] });
    const projection: KeyProjection = {
      version: 1,
      keyHash: createHmac('sha256', PEPPER).update(text).digest('hex'),
      keyId: uuid7(),
      accountId: uuid7(),
      accountTag,
      isRevoked: false,
      // The window must begin a minute after the epoch opened, or its total would have to be fetched from metering.
      mintedAtMs: Date.now() + CLOCK_MARGIN_MS + 1_000,
      expiresAtMs: Date.now() + DAY_MS,
      models: ['gpt-4o-mini'],
      budgetNanoUsd: parseUsd('5').toString(),
      rpm: 1_000,
      tpm: null,
      parallelMax: null,
      accountKind: 'metered',
      dailyLimitNanoUsd: null,
      ...change,
    };
    await admission.projectKey(projection);
    return { text, projection };
  }

  async project(key: TestKey, change: Partial<KeyProjection>): Promise<void> {
    key.projection = { ...key.projection, ...change, version: key.projection.version + 1 };
    await this.admission.projectKey(key.projection);
  }

  /** What metering would answer for a scope in which nothing was spent. */
  async seedTotal(key: TestKey, scope: Scope): Promise<void> {
    await this.admission.seedTotals(key.projection.accountTag, [{ scope, totalNanoUsd: '0', version: 1 }]);
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

  /** To a path below `/v1`. */
  post(path: string, key: TestKey | string, init: RequestInit): Promise<Response> {
    const text = typeof key === 'string' ? key : key.text;
    const headers = { authorization: `Bearer ${text}`, 'content-type': 'application/json' };
    return fetch(`${this.url}/v1${path}`, { method: 'POST', headers, ...init });
  }

  /** Reads what has been added to the stream of requests since the last time. */
  private async collectEvents(): Promise<void> {
    this.connection ??= await connectNats({ url: this.nats.url, name: 'test' });
    const { streams } = await jetstreamManager(this.connection);
    for (;;) {
      const message = await streams.getMessage(REQUESTS_STREAM, { seq: this.eventsRead + 1 }).catch(() => null);
      if (message === null) return;
      this.eventsRead += 1;
      const event = requestCompletedSchema.parse(message.json());
      const copy = this.events.get(event.requestId);
      if (copy !== undefined && JSON.stringify(copy) !== JSON.stringify(event))
        throw new Error(`${event.requestId} has two different events`);
      this.events.set(event.requestId, event);
    }
  }

  private async gatewaysBucket() {
    if (this.connection === null) throw new Error('the fixture is not connected');
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
      timeoutMs: 10_000,
    });
  }
}

export function startGateway(at: {
  folder: string;
  redisUrl: string;
  natsUrl: string;
  environment?: Record<string, string>;
}): Promise<SourceProcess> {
  const environment = {
    PORT: '0',
    REDIS_URL: at.redisUrl,
    NATS_URL: at.natsUrl,
    KEY_PEPPER: PEPPER,
    JOURNAL_DIR: `${at.folder}/journal`,
    // Tests share their event loop with the gateway, and a machine with other tests: what they ask for is not to be shed.
    LATE_MS: '60000',
    TEST_UPSTREAM_KEY: UPSTREAM_SECRET,
    LOG_LEVEL: 'debug',
    ...at.environment,
  };
  return startSource(entryOf('gateway'), environment, LISTENING);
}

async function publishSnapshots(natsUrl: string, models: Model[], rates: NonNullable<FixtureOptions['rates']>): Promise<void> {
  const connection = await connectNats({ url: natsUrl, name: 'test' });
  const { snapshots } = await ensureBuckets(connection);
  await writeSnapshot(snapshots, MODEL_CATALOGUE_KEY, { schema: modelCatalogueSchema, value: { v: 1, revision: 1, models } });
  const prices = models.map(({ id }) => ({ ...testPrice(id), ...(rates[id] && { rates: rates[id] }) }));
  await writeSnapshot(snapshots, PRICE_BOOK_KEY, { schema: priceBookSchema, value: { v: 1, revision: 1, prices } });
  await connection.close();
}
