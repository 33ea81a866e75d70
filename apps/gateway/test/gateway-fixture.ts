import { createHmac } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { AdmissionView } from '@tensorloop/admission/admission-view';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { type Deployment, type Model, modelCatalogueSchema } from '@tensorloop/contracts/model-catalogue';
import { type PriceVersion, priceBookSchema } from '@tensorloop/contracts/price-book';
import { MODEL_CATALOGUE_KEY, PRICE_BOOK_KEY } from '@tensorloop/contracts/subjects';
import { newAccountTag, newKeyText } from '@tensorloop/kernel/key-text';
import { parseUsd } from '@tensorloop/kernel/money';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { connectNats } from '@tensorloop/messaging/connection';
import { writeSnapshot } from '@tensorloop/messaging/snapshots';
import { ensureBuckets } from '@tensorloop/messaging/streams';
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
    deployments: [
      {
        id: `${id}-1`,
        provider: 'openai',
        baseUrl: `${upstreamUrl}/v1`,
        upstreamModel: id,
        credential: 'env:TEST_UPSTREAM_KEY',
        headTimeoutMs: 30_000,
        idleTimeoutMs: 30_000,
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
}

/** A gateway, an upstream simulator, Redis and NATS as processes of their own. */
export class GatewayFixture {
  url = '';
  private constructor(
    readonly folder: string,
    readonly redisServer: TestServer,
    readonly nats: TestServer,
    readonly upstream: SourceProcess,
    readonly upstreamUrl: string,
    public gateway: SourceProcess,
    readonly redis: Redis,
  ) {
    this.url = String(gateway.started.url);
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
    await publishSnapshots(nats.url, models);
    const gateway = await startGateway({ folder, redisUrl: redisServer.url, natsUrl: nats.url });
    const fixture = new GatewayFixture(folder, redisServer, nats, upstream, upstreamUrl, gateway, new Redis(redisServer.url));
    await fixture.waitUntilReady();
    return fixture;
  }

  get oracleFile(): string {
    return `${this.folder}/oracle.jsonl`;
  }

  async restartGateway(): Promise<void> {
    this.gateway = await startGateway({ folder: this.folder, redisUrl: this.redisServer.url, natsUrl: this.nats.url });
    this.url = String(this.gateway.started.url);
    await this.waitUntilReady();
  }

  async stop(): Promise<void> {
    this.redis.disconnect();
    await this.gateway.stop('SIGKILL');
    await this.upstream.stop();
    await Promise.all([this.redisServer.stop(), this.nats.stop()]);
    removeTestFolder(this.folder);
  }

  /** A key of an account of its own, as the control plane would have projected it. */
  async addKey(change: Partial<KeyProjection> = {}): Promise<TestKey> {
    const accountTag = change.accountTag ?? newAccountTag();
    const text = newKeyText(accountTag);
    const admission = new AdmissionClient(this.redis);
    const rebuildId = await admission.beginRebuild(accountTag, uuid7());
    if (rebuildId !== null) await admission.openEpoch({ accountTag, rebuildId, expectedGatewayIds: [] });
    const projection: KeyProjection = {
      version: 1,
      keyHash: createHmac('sha256', PEPPER).update(text).digest('hex'),
      keyId: uuid7(),
      accountId: uuid7(),
      accountTag,
      isRevoked: false,
      // The window must begin within the epoch, or its total would have to be fetched from metering.
      mintedAtMs: Date.now() + 1_000,
      expiresAtMs: Date.now() + DAY_MS,
      models: ['gpt-4o-mini'],
      budgetNanoUsd: parseUsd('5').toString(),
      rpm: 1_000,
      dailyLimitNanoUsd: null,
      ...change,
    };
    await admission.projectKey(projection);
    return { text, projection };
  }

  async project(key: TestKey, change: Partial<KeyProjection>): Promise<void> {
    key.projection = { ...key.projection, ...change, version: key.projection.version + 1 };
    await new AdmissionClient(this.redis).projectKey(key.projection);
  }

  get view(): AdmissionView {
    return new AdmissionView(this.redis);
  }

  chat(key: TestKey | string, body: object, init: RequestInit = {}): Promise<Response> {
    const text = typeof key === 'string' ? key : key.text;
    return fetch(`${this.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${text}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello there' }], ...body }),
      ...init,
    });
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
    TEST_UPSTREAM_KEY: UPSTREAM_SECRET,
    ...at.environment,
  };
  return startSource(entryOf('gateway'), environment, LISTENING);
}

async function publishSnapshots(natsUrl: string, models: Model[]): Promise<void> {
  const connection = await connectNats({ url: natsUrl, name: 'test' });
  const { snapshots } = await ensureBuckets(connection);
  await writeSnapshot(snapshots, MODEL_CATALOGUE_KEY, { schema: modelCatalogueSchema, value: { v: 1, revision: 1, models } });
  const prices = models.map((model) => testPrice(model.id));
  await writeSnapshot(snapshots, PRICE_BOOK_KEY, { schema: priceBookSchema, value: { v: 1, revision: 1, prices } });
  await connection.close();
}
