import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  requestGetReplySchema,
  requestGetRequestSchema,
  totalsGetReplySchema,
  totalsGetRequestSchema,
} from '@tensorloop/contracts/rpc';
import { BALANCE_SCOPE } from '@tensorloop/contracts/settle-ack';
import { RPC } from '@tensorloop/contracts/subjects';
import { grantCredit, setAccountKind, setDailyLimit, setKeyLimits } from '@tensorloop/db/operator';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { defineRpc } from '@tensorloop/nest-kit/rpc';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { type AskedWorld, startAskedWorld } from '../testing/asked-world.js';
import { newEvent, newTenant, type Tenant } from '../testing/events.js';
import { publish, readSums } from '../testing/world.js';

const totalsGet = defineRpc(RPC.meteringTotalsGet, totalsGetRequestSchema, totalsGetReplySchema);
const PLAN = 'balance-spec';

let asked: AskedWorld;
beforeAll(async () => {
  asked = await startAskedWorld(({ database }) =>
    database.query(
      `INSERT INTO control.plans (id, name, keys_max, budget_per_key_nano_usd_max, rpm_per_key_max, models, is_offered)
       VALUES ($1, $1::text, 1, 1, 1, '{*}', false)`,
      [PLAN],
    ),
  );
});
afterAll(() => asked?.stop());

async function newAccount(): Promise<Tenant> {
  const tenant = newTenant();
  await asked.world.database.query(
    'INSERT INTO control.accounts (id, tag, name, plan_id) VALUES ($1, $2::bpchar, $2::bpchar, $3)',
    [tenant.accountId, tenant.accountTag, PLAN],
  );
  return tenant;
}

const grant = ({ accountId }: Tenant, usd: string, idempotencyKey?: string) =>
  grantCredit(asked.world.database.urls.owner, accountId, {
    usd,
    note: 'a test',
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  });

async function balanceOf({ accountId }: Tenant) {
  const reply = await waitUntil(
    async () => {
      const answer = await asked.client.call(totalsGet, { accountId, scopes: [BALANCE_SCOPE] });
      return answer.ok ? answer : null;
    },
    { what: 'totals' },
  );
  return reply.totals[0];
}

const accountRow = async ({ accountId }: Tenant) =>
  (
    await asked.world.database.query('SELECT kind, daily_limit_nano_usd::text AS daily FROM control.accounts WHERE id = $1', [
      accountId,
    ])
  )[0];

describe('the balance of an account', () => {
  it('is nothing of nothing before anything was granted', async () => {
    expect(await balanceOf(await newAccount())).toEqual({
      scope: BALANCE_SCOPE,
      totalNanoUsd: '0',
      limitNanoUsd: '0',
      version: 0,
    });
  });

  it('rises with each grant, and once however often the same one is made', async () => {
    const tenant = await newAccount();
    await grant(tenant, '2.5');
    await Promise.all([1, 2, 3].map(() => grant(tenant, '0.000000001', 'the same')));
    expect(await balanceOf(tenant)).toMatchObject({ totalNanoUsd: '0', limitNanoUsd: '2500000001', version: 2 });
    await expect(grant(tenant, '0')).rejects.toThrow('above 0');
    await expect(grant(newTenant(), '1')).rejects.toThrow('no account');
  });

  it('is drained by prepaid calls and by no others; the settle-ack says what was granted and spent', async () => {
    const tenant = await newAccount();
    await grant(tenant, '1');
    const metered = newEvent({ tenant });
    const prepaid = { ...newEvent({ tenant }), isPrepaid: true as const };
    await publish(asked.world, metered, prepaid);
    await waitUntil(() => asked.ears.has(metered.requestId) && asked.ears.has(prepaid.requestId));
    const spent = { scope: BALANCE_SCOPE, totalNanoUsd: prepaid.chargeNanoUsd, limitNanoUsd: '1000000000', version: 2 };
    expect(await balanceOf(tenant)).toEqual(spent);
    expect(asked.ears.last(prepaid.requestId).totals).toContainEqual(spent);
    const sums = await readSums(asked.world, [tenant.accountId]);
    const charge = BigInt(metered.chargeNanoUsd) + BigInt(prepaid.chargeNanoUsd);
    expect(sums).toMatchObject({
      usage: charge,
      charges: charge,
      windows: charge,
      days: charge,
      revenue: -charge,
      unbalanced: 0,
    });
    expect(sums.receivable).toBe(BigInt(metered.chargeNanoUsd));
    const [owed] = await asked.world.database.query<{ sum: string }>(
      `SELECT sum(amount_nano_usd)::text FROM metering.ledger_entries WHERE account_id = $1 AND ledger_account = 'prepaid'`,
      [tenant.accountId],
    );
    expect(owed?.sum).toBe((BigInt(prepaid.chargeNanoUsd) - 1_000_000_000n).toString());
  });
});

describe('one call of an account', () => {
  const requestGet = defineRpc(RPC.meteringRequestGet, requestGetRequestSchema, requestGetReplySchema);

  it('is told with its charge lines and attempts, to its own account only', async () => {
    const tenant = await newAccount();
    const event = newEvent({ tenant });
    await publish(asked.world, event);
    await waitUntil(() => asked.ears.has(event.requestId));
    const { requestId } = event;
    expect(await asked.client.call(requestGet, { accountId: tenant.accountId, requestId })).toMatchObject({
      ok: true,
      found: true,
      request: {
        ...{ requestId, keyId: tenant.keyId, usage: event.usage, chargeNanoUsd: event.chargeNanoUsd },
        ...{ attempts: event.attempts, completedAtMs: event.completedAtMs },
        lines: [
          { dimension: 'input', quantity: 1_000, unitPrice: '0.15', amountNanoUsd: '150000' },
          { dimension: 'output', quantity: 200, unitPrice: '0.6', amountNanoUsd: '120000' },
        ],
      },
    });
    const absent = { ok: true, found: false, dataThroughMs: expect.any(Number) };
    expect(await asked.client.call(requestGet, { accountId: uuid7(), requestId })).toEqual(absent);
    expect(await asked.client.call(requestGet, { accountId: tenant.accountId, requestId: uuid7() })).toEqual(absent);
  });
});

describe('an operator', () => {
  it('sets what kind an account is and what it may spend a day; its keys are projected again', async () => {
    const tenant = await newAccount();
    const owner = asked.world.database.urls.owner;
    const [userId, keyId] = [uuid7(), uuid7()];
    await asked.world.database.query(
      `INSERT INTO control.keys (account_id, id, key_hash, preview, name, models, budget_nano_usd, rpm, minted_at, expires_at, created_by)
       VALUES ($1, $2, $3, 'tl', 'k', '{*}', 1, 1, now(), now() + interval '1 day', $4)`,
      [tenant.accountId, keyId, uuid7().replaceAll('-', '').repeat(2), userId],
    );
    await setAccountKind(owner, tenant.accountId, 'prepaid');
    await setDailyLimit(owner, tenant.accountId, '12.5');
    expect(await accountRow(tenant)).toEqual({ kind: 'prepaid', daily: '12500000000' });
    await setDailyLimit(owner, tenant.accountId, null);
    await setKeyLimits(owner, tenant.accountId, { tpm: 1_000, parallelMax: null });
    expect(await accountRow(tenant)).toEqual({ kind: 'prepaid', daily: null });
    expect(
      await asked.world.database.query('SELECT version, tpm, parallel_max FROM control.keys WHERE account_id = $1', [
        tenant.accountId,
      ]),
    ).toEqual([{ version: 5, tpm: 1_000, parallel_max: null }]);
    const outbox = await asked.world.database.query('SELECT FROM control.key_projection_outbox WHERE key_id = $1', [keyId]);
    expect(outbox).toHaveLength(4);
    await expect(setAccountKind(owner, uuid7(), 'metered')).rejects.toThrow('no account');
  });
});
