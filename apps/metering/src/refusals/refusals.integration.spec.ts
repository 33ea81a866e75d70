import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Refusal, RequestRefused } from '@tensorloop/contracts/request-refused';
import { type RefusalsListRequest, refusalsListReplySchema, refusalsListRequestSchema } from '@tensorloop/contracts/rpc';
import { REQUEST_REFUSED_SUBJECT, RPC } from '@tensorloop/contracts/subjects';
import { DAY_MS } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { defineRpc, RpcClient } from '@tensorloop/nest-kit/rpc';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { type RunningMetering, startMetering, startWorld, type World } from '../testing/world.js';
import { KEPT_DAYS, RefusalsService } from './refusals.service.js';

const refusalsList = defineRpc(RPC.meteringRefusalsList, refusalsListRequestSchema, refusalsListReplySchema);

let world: World;
let metering: RunningMetering;
let rpc: RpcClient;

beforeAll(async () => {
  world = await startWorld();
  metering = await startMetering(world);
  rpc = new RpcClient({ url: world.nats.url, name: 'test', timeoutMs: 20_000 });
  await listening();
});
afterAll(async () => {
  await rpc?.close();
  await metering?.app.close();
  await world?.stop();
});

function refusal(accountId: string, change: Partial<Refusal> = {}): Refusal {
  const nowMs = Date.now();
  return {
    requestId: uuid7(),
    accountId,
    keyId: uuid7(),
    model: 'gpt-4o-mini',
    endpoint: 'chat.completions',
    code: 'rate_limit_exceeded',
    httpStatus: 429,
    count: 2,
    firstAtMs: nowMs - 500,
    lastAtMs: nowMs,
    ...change,
  };
}

function say(...refusals: Refusal[]): void {
  const message: RequestRefused = { v: 1, gatewayId: 'gateway-a', refusals };
  world.connection.publish(REQUEST_REFUSED_SUBJECT, JSON.stringify(message));
}

async function list(accountId: string, filter: Partial<RefusalsListRequest> = {}) {
  const reply = await rpc.call(refusalsList, { accountId, before: null, limit: 50, keyId: null, model: null, ...filter });
  if (!reply.ok) throw new Error(reply.message);
  return reply;
}

/** What is said before metering listens is lost, as the contract has it. */
async function listening(): Promise<void> {
  const probe = refusal(uuid7());
  const isHeard = async () => {
    say(probe);
    return (await list(probe.accountId)).rows.length > 0;
  };
  await waitUntil(isHeard, { what: 'metering to listen' });
}

async function listed(accountId: string, count: number) {
  return waitUntil(async () => ((await list(accountId)).rows.length === count ? list(accountId) : null), {
    what: `${count} refusals`,
  });
}

describe('refused calls', () => {
  it('are listed newest first, to their account alone, and count in no book', async () => {
    const [mine, others] = [uuid7(), uuid7()];
    const [first, second] = [refusal(mine, { requestId: uuid7(Date.now() - 10) }), refusal(mine, { code: 'budget_held' })];
    say(first, refusal(others));
    say(second);
    const { rows } = await listed(mine, 2);
    const { accountId: _, ...expected } = second;
    expect(rows[0]).toEqual(expected);
    expect(rows[1]?.requestId).toBe(first.requestId);
    const [books] = await world.database.query<{ calls: string }>(
      'SELECT count(*)::text AS calls FROM metering.usage WHERE account_id = $1',
      [mine],
    );
    expect(books?.calls).toBe('0');
  });

  it('come in pages, of one key or one model', async () => {
    const account = uuid7();
    const all = [3, 2, 1].map((age) => refusal(account, { requestId: uuid7(Date.now() - age) }));
    say(...all);
    await listed(account, 3);
    const page = await list(account, { limit: 2 });
    expect(page).toMatchObject({ hasMore: true, rows: [{ requestId: all[2]?.requestId }, { requestId: all[1]?.requestId }] });
    const rest = await list(account, { limit: 2, before: all[1]?.requestId as string });
    expect(rest).toMatchObject({ hasMore: false, rows: [{ requestId: all[0]?.requestId }] });
    expect((await list(account, { keyId: all[0]?.keyId as string })).rows).toHaveLength(1);
    expect((await list(account, { model: 'another' })).rows).toEqual([]);
  });

  it('told twice are listed once, and what cannot be read disturbs nobody', async () => {
    const account = uuid7();
    const one = refusal(account);
    world.connection.publish(REQUEST_REFUSED_SUBJECT, '{"v":1}');
    world.connection.publish(REQUEST_REFUSED_SUBJECT, 'nonsense');
    say(one);
    say(one);
    say(refusal(account));
    expect((await listed(account, 2)).rows).toHaveLength(2);
    const metrics = await (await fetch(`${metering.url}/metrics`)).text();
    expect(metrics).toMatch(/^metering_refusal_messages_dropped_total(\{[^}]*\})? 2$/m);
  });

  it('that the database does not take are left out, and no other of their message is', async () => {
    const [first, second] = [uuid7(), uuid7()];
    say(refusal(first), refusal(first, { count: 2 ** 40 }), refusal(second, { model: 'x\u0000\ud800' }));
    expect((await listed(first, 1)).rows[0]?.count).toBe(2);
    expect((await listed(second, 1)).rows[0]?.model).toBe('x\ufffd\ufffd');
    const metrics = await (await fetch(`${metering.url}/metrics`)).text();
    expect(metrics).toMatch(/^metering_refusals_left_out_total(\{[^}]*\})? 1$/m);
  });

  it('are forgotten after their time, and not before', async () => {
    const account = uuid7();
    say(refusal(account), refusal(account));
    const [old] = (await listed(account, 2)).rows;
    await world.database.query('ALTER TABLE metering.refusals NO FORCE ROW LEVEL SECURITY');
    const aged = new Date(Date.now() - KEPT_DAYS * DAY_MS - 1_000);
    await world.database.query('UPDATE metering.refusals SET recorded_at = $2 WHERE request_id = $1', [old?.requestId, aged]);
    await world.database.query('ALTER TABLE metering.refusals FORCE ROW LEVEL SECURITY');
    expect(await metering.app.get(RefusalsService).forgetOld()).toBe(1);
    expect((await listed(account, 1)).rows[0]?.requestId).not.toBe(old?.requestId);
  });
});
