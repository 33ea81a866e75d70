import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type pg from 'pg';
import { type EmptyDatabase, startEmptyDatabase } from './database.fixture.js';
import * as installation from './installation.js';
import { migrate } from './migrate.js';
import * as operator from './operator.js';
import { seed } from './seed.js';

let database: EmptyDatabase;
let owner: pg.Client;
let url: string;
beforeAll(async () => {
  database = await startEmptyDatabase();
  url = database.urls.owner;
  await migrate(url);
  await seed(url, { upstreamBaseUrl: 'http://127.0.0.1:4900/v1', credential: null });
  owner = await database.connect('owner');
});
afterAll(() => database.close());

async function createAccount(email = `${uuid7()}@example.com`): Promise<{ id: string; email: string; userId: string }> {
  const [id, userId] = [uuid7(), uuid7()];
  await owner.query("INSERT INTO control.accounts (id, tag, name, plan_id) VALUES ($1, $2, $3, 'free')", [
    id,
    newAccountTag(),
    id,
  ]);
  await owner.query('INSERT INTO control.users (id, email) VALUES ($1, $2) ON CONFLICT (email) DO NOTHING', [userId, email]);
  await owner.query(
    "INSERT INTO control.memberships (account_id, user_id, role) SELECT $1, id, 'owner' FROM control.users WHERE email = $2",
    [id, email],
  );
  await owner.query(
    `INSERT INTO control.keys (account_id, id, key_hash, preview, name, models, budget_nano_usd, rpm, minted_at, expires_at, created_by)
     VALUES ($1, $1, rpad(replace($1::uuid::text, '-', ''), 64, '0'), 'p', 'n', '{*}', 1, 1, now(), now() + interval '1 day', $2)`,
    [id, userId],
  );
  return { id, email, userId };
}

async function actionsOf(accountId: string): Promise<unknown[]> {
  const { rows } = await owner.query(
    'SELECT action, actor_kind AS kind, actor_label AS label, details FROM control.audit_entries WHERE account_id = $1 ORDER BY sequence',
    [accountId],
  );
  return rows.map(({ action, kind, label, details }) => [action, `${kind}: ${label}`, details]);
}

describe('what an operator commands (TL-1)', () => {
  it('is in the audit log of the account, and leaves its chain whole', async () => {
    const { id } = await createAccount();
    await operator.setAccountPlan(url, id, 'pro');
    await operator.setAccountKind(url, id, 'prepaid');
    await operator.setDailyLimit(url, id, '5');
    await operator.setKeyLimits(url, id, { tpm: 100, parallelMax: null });
    expect(await operator.grantCredit(url, id, { usd: '2.5', note: 'sorry', idempotencyKey: 'once' })).toBe('granted');
    expect(await operator.grantCredit(url, id, { usd: '2.5', note: 'sorry', idempotencyKey: 'once' })).toBe('known');
    expect(await operator.setAccountDisabled(url, id, { isDisabled: true, reason: 'abuse' })).toBe(1);
    expect(await operator.reprojectAccount(url, id)).toBe(1);
    const actor = 'operator: operator command';
    expect(await actionsOf(id)).toEqual([
      ['account.plan_changed', actor, { from: 'free', to: 'pro' }],
      ['account.kind_changed', actor, { kind: 'prepaid' }],
      ['account.daily_limit_changed', actor, { dailyLimitUsd: '5' }],
      ['account.key_limits_changed', actor, { tpm: 100, parallelMax: null }],
      ['balance.granted', actor, { usd: '2.5', note: 'sorry' }],
      ['account.disabled', actor, { reason: 'abuse', keysAnnounced: 1 }],
      ['account.keys_reprojected', actor, { keysAnnounced: 1 }],
    ]);
    expect(await installation.verifyAuditLogs(url, id)).toMatchObject([{ accountId: id, entries: 7, problems: [] }]);
  });

  it('disabling keeps the first instant, and enabling ends it', async () => {
    const { id } = await createAccount();
    const disabledAt = async () =>
      (await owner.query('SELECT disabled_at AS at FROM control.accounts WHERE id = $1', [id])).rows[0]?.at;
    await operator.setAccountDisabled(url, id, { isDisabled: true, reason: 'a' });
    const first = await disabledAt();
    expect(first).toBeInstanceOf(Date);
    await operator.setAccountDisabled(url, id, { isDisabled: true, reason: 'b' });
    expect(await disabledAt()).toEqual(first);
    await operator.setAccountDisabled(url, id, { isDisabled: false, reason: 'c' });
    expect(await disabledAt()).toBeNull();
  });

  it('announces keys, of one account or of all', async () => {
    const [one, two] = [await createAccount(), await createAccount()];
    const before = await installation.countUndelivered(url, two.id);
    await operator.reprojectAccount(url, one.id);
    expect(await installation.countUndelivered(url, two.id)).toBe(before);
    expect(await installation.reprojectAll(url)).toBeGreaterThanOrEqual(2);
    expect(await installation.countUndelivered(url, two.id)).toBe(before + 1);
    expect(await installation.countUndelivered(url, null)).toBeGreaterThanOrEqual(before + 3);
  });
});

describe('accounts', () => {
  it('are found by id and by the address of their one member, in any case', async () => {
    const { id, email } = await createAccount();
    expect(await installation.findAccountId(url, id)).toBe(id);
    expect(await installation.findAccountId(url, email.toUpperCase())).toBe(id);
    expect(await installation.listAccounts(url, email)).toMatchObject([
      { id, planId: 'free', status: 'active', members: [email] },
    ]);
  });

  it('of an address that has several are named, and none that is not there', async () => {
    const first = await createAccount();
    const second = await createAccount(first.email);
    const asked = installation.findAccountId(url, first.email);
    await expect(asked).rejects.toThrow('several accounts');
    await expect(asked).rejects.toThrow(second.id);
    await expect(installation.findAccountId(url, uuid7())).rejects.toThrow('there is no account');
    await expect(installation.findAccountId(url, "nobody' OR true--")).rejects.toThrow('there is no account');
  });
});

describe('operators', () => {
  it('are made of users, once, and removed, and their accounts are told', async () => {
    const { id, email } = await createAccount();
    const confirmed = { allowsUnverified: false };
    await expect(installation.createOperator(url, email, confirmed)).rejects.toThrow('--unverified');
    await owner.query('UPDATE control.users SET email_verified_at = now() WHERE email = $1', [email]);
    expect(await installation.createOperator(url, email, confirmed)).toBe(true);
    expect(await installation.createOperator(url, email, { allowsUnverified: true })).toBe(false);
    expect((await installation.listOperators(url)).map((one) => one.email)).toContain(email);
    expect(await installation.removeOperator(url, email)).toBe(true);
    expect(await installation.removeOperator(url, email)).toBe(false);
    expect((await actionsOf(id)).map((entry) => (entry as string[])[0])).toEqual(['operator.created', 'operator.removed']);
    await expect(installation.createOperator(url, 'nobody@example.com', confirmed)).rejects.toThrow('nobody has signed up');
  });
});

describe('an address', () => {
  it('is confirmed by whoever owns the installation, once, and its accounts are told', async () => {
    const { id, email } = await createAccount();
    expect(await installation.confirmAddress(url, email.toUpperCase())).toBe(true);
    expect(await installation.confirmAddress(url, email)).toBe(false);
    expect(await installation.confirmAddress(url, 'nobody@example.com')).toBe(false);
    expect((await actionsOf(id)).map((entry) => (entry as string[])[0])).toEqual(['user.email_verified']);
    expect(await installation.createOperator(url, email, { allowsUnverified: false })).toBe(true);
    await installation.removeOperator(url, email);
  });
});

describe('peppers', () => {
  it('are told apart by how many active keys each knows, and keys behind are named', async () => {
    const [one, two] = [await createAccount(), await createAccount()];
    await owner.query('UPDATE control.keys SET hash_version = 7 WHERE account_id = $1', [two.id]);
    const { counts, behind } = await installation.listHashedKeys(url);
    expect(counts.find(({ version }) => version === 7)).toEqual({ version: 7, keys: 1 });
    expect(behind).toContainEqual({ accountId: one.id, id: one.id, name: 'n', preview: 'p', version: 1 });
    expect(behind.map(({ accountId }) => accountId)).not.toContain(two.id);
  });

  it('are counted in full though not all keys behind are named', async () => {
    const { id } = await createAccount();
    await owner.query(
      `INSERT INTO control.keys (account_id, id, key_hash, preview, name, models, budget_nano_usd, rpm, minted_at, expires_at, created_by)
       SELECT account_id, gen_random_uuid(), encode(sha256((id::text || n)::bytea), 'hex'), preview, name, models, budget_nano_usd, rpm,
         minted_at, expires_at, created_by FROM control.keys, generate_series(1, 250) AS n WHERE account_id = $1`,
      [id],
    );
    const { behind, behindCount, counts } = await installation.listHashedKeys(url, 8);
    expect([behind.length, behindCount]).toEqual([200, counts.reduce((sum, { keys }) => sum + keys, 0)]);
    expect(behindCount).toBeGreaterThan(250);
  });
});

describe('audit logs', () => {
  it('are verified all at once, and a broken one is named', async () => {
    const { id } = await createAccount();
    await operator.setAccountPlan(url, id, 'pro');
    await owner.query("UPDATE control.audit_entries SET details = '{}' WHERE account_id = $1", [id]);
    const broken = (await installation.verifyAuditLogs(url, null)).filter(({ problems }) => problems.length > 0);
    expect(broken).toMatchObject([{ accountId: id, problems: [expect.stringContaining('entry 1')] }]);
  });
});
