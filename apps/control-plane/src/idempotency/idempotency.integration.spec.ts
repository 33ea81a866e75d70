import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Body,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Global,
  Inject,
  Injectable,
  Module,
  Post,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { ControlClient } from '@tensorloop/db/control-client';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { Idempotent } from '@tensorloop/nest-kit/idempotent';
import { LoggingModule } from '@tensorloop/nest-kit/logging';
import { ProblemFilter } from '@tensorloop/nest-kit/problem.filter';
import { createLogger } from '@tensorloop/observability/logger';
import { createTestDatabase, type TestDatabase } from '@tensorloop/testing/database';
import { waitUntil } from '@tensorloop/testing/wait-until';
import type { Request } from 'express';
import { keepRequestContext } from '../access/request-context.js';
import { rememberPrincipal } from '../access/request-context.types.js';
import { CLOCK } from '../clock.js';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';
import { IdempotencyModule } from './idempotency.module.js';
import { IdempotencyPurge } from './idempotency.purge.js';
import { OPEN_ANSWER_MS_MAX, RESERVATION_MS_MAX } from './idempotency.rules.js';
import { IdempotencyTrail } from './idempotency.trail.js';

const PARALLEL = 12;

interface Gate {
  reached: number;
  /** Requests wait here before they make their effect, until the gate is opened. */
  open: Promise<void>;
  /** And here before they undo it. */
  undone: Promise<void>;
  isWithdrawn: boolean | null;
}

let gate: Gate;
let clockOffsetMs = 0;

/** Makes a project as mints do: one transaction with the effect and the answer. */
@Controller('things')
class ThingsController {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(IdempotencyTrail) private readonly trail: IdempotencyTrail,
  ) {}

  @Post()
  @Idempotent()
  async create(@Body() body: { accountId: string; name: string; fails?: 'before' | 'after' | 'undone' | 'late' }) {
    const { accountId, name, fails } = body;
    if (fails === 'before') throw new Error('before the effect');
    gate.reached++;
    await gate.open;
    const id = uuid7();
    await this.control.withAccount(accountId, async (tx) => {
      await tx.project.create({ data: { accountId, id, name, createdAt: new Date() } });
      await this.trail.record(tx, { id, secret: null }, { isFinal: fails !== 'undone' && fails !== 'late' });
    });
    if (fails === 'after') throw new Error('after the effect');
    if (fails === 'late') await gate.undone;
    if (fails === 'undone' || fails === 'late') {
      gate.isWithdrawn = await this.control.withAccount(accountId, (tx) => this.trail.withdraw(tx));
      throw new Error('undone');
    }
    return { id, secret: 'shown once' };
  }

  @Post('forgetful')
  @Idempotent()
  forget(): object {
    return {};
  }
}

@Injectable()
class HeaderGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<Request>();
    const principal = { userId: String(headers['x-user']), accountId: String(headers['x-account']), credentialId: uuid7() };
    rememberPrincipal({ ...principal, kind: 'session', email: '', role: 'owner', label: '' });
    return true;
  }
}

let database: TestDatabase;
let control: ControlClient;
let app: NestExpressApplication;
let url: string;
let accountId: string;
let userId: string;

beforeAll(async () => {
  database = await createTestDatabase({ seed: { upstreamBaseUrl: 'http://127.0.0.1:4900/v1', credential: null } });
  control = new ControlClient(database.urls.controlApp);
  app = await NestFactory.create<NestExpressApplication>(testModule(), new ExpressAdapter(), { logger: false });
  app.use(keepRequestContext);
  await app.listen(0, '127.0.0.1');
  url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
});
beforeEach(async () => {
  gate = { reached: 0, open: Promise.resolve(), undone: Promise.resolve(), isWithdrawn: null };
  [accountId, userId] = [await addAccount(), uuid7()];
});
afterEach(() => {
  clockOffsetMs = 0;
});
afterAll(async () => {
  await app?.close();
  await control?.close();
  await database?.drop();
});

function testModule(): object {
  @Global()
  @Module({
    providers: [
      { provide: ControlClient, useValue: control },
      { provide: CLOCK, useValue: () => Date.now() + clockOffsetMs },
    ],
    exports: [ControlClient, CLOCK],
  })
  class ServersModule {}
  @Module({
    imports: [LoggingModule.forRoot(createLogger({ service: 'spec', level: 'fatal' })), ServersModule, IdempotencyModule],
    controllers: [ThingsController],
    providers: [
      { provide: APP_GUARD, useClass: HeaderGuard },
      { provide: APP_FILTER, useClass: ProblemFilter },
      { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
    ],
  })
  class SpecModule {}
  return SpecModule;
}

async function addAccount(): Promise<string> {
  const id = uuid7();
  const account = [id, newAccountTag()];
  await database.query("INSERT INTO control.accounts (id, tag, name, plan_id) VALUES ($1, $2, 'n', 'free')", account);
  return id;
}

async function projects(account = accountId): Promise<string[]> {
  const rows = await database.query<{ id: string }>('SELECT id FROM control.projects WHERE account_id = $1', [account]);
  return rows.map(({ id }) => id);
}

interface Sent {
  key?: string;
  body?: object;
  account?: string;
  user?: string;
  path?: string;
}

async function post({ key, body = {}, account = accountId, user = userId, path = '/things' }: Sent) {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-account': account,
      'x-user': user,
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    body: JSON.stringify({ accountId: account, name: 'n', ...body }),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> };
}

/** Holds requests back before their effect until the function it returns is called. */
function closeGate(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  gate.open = promise;
  return resolve;
}

describe('requests with one Idempotency-Key', () => {
  it('have one effect, and are told of it without the secret', async () => {
    const key = randomUUID();
    const first = await post({ key });
    expect(first).toMatchObject({ status: 201, body: { secret: 'shown once' } });
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    const again = await post({ key });
    expect(again).toMatchObject({ status: 201, body: { id: first.body.id, secret: null } });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await projects()).toEqual([first.body.id]);
  });

  it('have one effect when they come at once: the others are told to wait', async () => {
    const key = randomUUID();
    const open = closeGate();
    const all = Promise.all(Array.from({ length: PARALLEL }, () => post({ key })));
    await waitUntil(() => gate.reached === 1, { what: 'the first to be at work' });
    const refused = await post({ key });
    expect([refused.status, refused.body.code]).toEqual([409, 'idempotency_in_flight']);
    expect(refused.headers.get('retry-after')).toBe('1');
    open();
    const answers = await all;
    expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true);
    expect(answers.filter(({ body }) => body.secret === 'shown once')).toHaveLength(1);
    expect(await projects()).toHaveLength(1);
  });

  it('must have one body', async () => {
    const key = randomUUID();
    await post({ key });
    const other = await post({ key, body: { name: 'other' } });
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
    expect(await projects()).toHaveLength(1);
  });

  it('are of one actor, one account and one route: the same key elsewhere is another', async () => {
    const key = randomUUID();
    await post({ key });
    expect((await post({ key, user: uuid7() })).headers.get('idempotency-replayed')).toBeNull();
    const account = await addAccount();
    expect((await post({ key, account })).headers.get('idempotency-replayed')).toBeNull();
    expect([await projects(), await projects(account)].map((ids) => ids.length)).toEqual([2, 1]);
  });

  it.each(['/things/', '/THINGS', '/Things/'])('are of one route however it is spelled: %s', async (path) => {
    const key = randomUUID();
    const first = await post({ key });
    const again = await post({ key, path });
    expect([again.headers.get('idempotency-replayed'), again.body.id]).toEqual(['true', first.body.id]);
    expect(await projects()).toHaveLength(1);
  });

  it('need not have one at all: then each has its effect', async () => {
    await post({});
    await post({});
    expect(await projects()).toHaveLength(2);
  });

  it('are refused when the key is no key', async () => {
    const refused = await post({ key: 'x'.repeat(256) });
    expect([refused.status, refused.body.code]).toEqual([400, 'idempotency_key_invalid']);
    expect(await projects()).toEqual([]);
  });

  it('are new ones a day later', async () => {
    const key = randomUUID();
    await post({ key });
    clockOffsetMs = 24 * 3_600_000 + 1_000;
    expect((await post({ key })).headers.get('idempotency-replayed')).toBeNull();
    expect(await projects()).toHaveLength(2);
  });
});

describe('a request that fails', () => {
  it('before its effect may be repeated, corrected or not', async () => {
    const key = randomUUID();
    expect((await post({ key, body: { fails: 'before' } })).status).toBe(500);
    expect((await post({ key })).status).toBe(201);
  });

  it('after its effect does not have it again', async () => {
    const key = randomUUID();
    expect((await post({ key, body: { fails: 'after' } })).status).toBe(500);
    const again = await post({ key, body: { fails: 'after' } });
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
    expect(await projects()).toEqual([again.body.id]);
  });

  it('and undoes its effect is carried out anew', async () => {
    const key = randomUUID();
    await post({ key, body: { fails: 'undone' } });
    await post({ key, body: { fails: 'undone' } });
    expect(await projects()).toHaveLength(2);
  });

  it('and may yet undo its effect is not told of; who asks later is told of what stays', async () => {
    const key = randomUUID();
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.undone = promise;
    const first = post({ key, body: { fails: 'late' } });
    await waitUntil(async () => (await projects()).length === 1, { what: 'the effect' });
    expect((await post({ key, body: { fails: 'late' } })).body.code).toBe('idempotency_in_flight');
    clockOffsetMs = OPEN_ANSWER_MS_MAX + 1_000;
    const again = await post({ key, body: { fails: 'late' } });
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
    resolve();
    expect((await first).status).toBe(500);
    expect(gate.isWithdrawn).toBe(false);
    expect(await projects()).toEqual([again.body.id]);
  });

  it('by its process being killed holds the key for a minute, and then another carries it out', async () => {
    const key = randomUUID();
    // What a killed process leaves: the reservation is committed, the effect and its answer are not.
    const open = closeGate();
    const cut = post({ key });
    await waitUntil(() => gate.reached === 1, { what: 'the first to be at work' });
    expect((await post({ key })).status).toBe(409);
    clockOffsetMs = RESERVATION_MS_MAX + 1_000;
    gate.open = Promise.resolve();
    const second = await post({ key });
    expect(second.status).toBe(201);
    // It was only slow: its effect is rolled back, for the second has made it.
    open();
    expect((await cut).body.code).toBe('idempotency_in_flight');
    expect(await projects()).toEqual([second.body.id]);
  });

  it('is taken over by one of many', async () => {
    const key = randomUUID();
    const open = closeGate();
    const cut = post({ key });
    await waitUntil(() => gate.reached === 1, { what: 'the first to be at work' });
    clockOffsetMs = RESERVATION_MS_MAX + 1_000;
    gate.open = Promise.resolve();
    const all = await Promise.all(Array.from({ length: PARALLEL }, () => post({ key })));
    open();
    await cut;
    expect(all.every(({ status }) => status === 201 || status === 409)).toBe(true);
    expect(await projects()).toHaveLength(1);
  });
});

describe('a route that is idempotent', () => {
  it('and records no answer is a mistake of ours, which any call with a key shows', async () => {
    expect((await post({ path: '/things/forgetful', key: 'a' })).status).toBe(500);
    expect((await post({ path: '/things/forgetful' })).status).toBe(201);
  });
});

describe('what is remembered', () => {
  it('is deleted after a day, of every account, and nothing sooner', async () => {
    await post({ key: 'young' });
    const other = await addAccount();
    for (const account of [accountId, other]) await post({ key: 'old', account });
    await database.query(
      "UPDATE control.idempotent_requests SET created_at = now() - interval '24 hours 1 minute' WHERE key = 'old'",
    );
    await app.get(IdempotencyPurge).purge();
    const left = await database.query<{ key: string }>(
      'SELECT key FROM control.idempotent_requests WHERE account_id = ANY($1)',
      [[accountId, other]],
    );
    expect(left.map(({ key }) => key)).toEqual(['young']);
  });
});
