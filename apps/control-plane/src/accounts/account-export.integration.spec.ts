import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TokenCreated } from '@tensorloop/contracts/api/tokens';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { addMember, auditedActions } from '../members/members.fixture.js';

/** More than two pieces of a section. */
const MANY = 1_201;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

type Exported = Record<string, { id?: string; name?: string; email?: string }[]> & {
  account: { id: string; plan: { id: string } };
};

describe('the export of an account', () => {
  it('holds all that the account has, and nothing that opens anything', async () => {
    const { browser, me, email } = await plane.signUp();
    const key = (await browser.mint({ name: 'my key' })).body;
    const token = (await browser.send<TokenCreated>('POST', '/api/tokens', { body: { name: 'ci', role: 'viewer' } })).body;
    await browser.send('POST', '/api/invites', { body: { email: 'guest@example.com', role: 'viewer' } });
    const { status, headers, body, text } = await browser.send<Exported>('GET', '/api/account/export');
    expect([status, headers.get('content-disposition')]).toEqual([200, 'attachment; filename="account.json"']);
    expect([body.account.id, body.account.plan.id]).toEqual([me.account.id, 'free']);
    expect(body['members']?.map((member) => member.email)).toEqual([email]);
    expect(body['keys']?.map(({ id, name }) => [id, name])).toEqual([[key.id, 'my key']]);
    expect(body['tokens']?.map(({ id }) => id)).toEqual([token.id]);
    expect(body['invites']?.map((invite) => invite.email)).toEqual(['guest@example.com']);
    expect(body['projects']).toEqual([]);
    expect(text).not.toContain(key.key);
    expect(text).not.toContain(token.token);
    for (const table of ['keys', 'management_tokens', 'invites']) {
      const column = table === 'keys' ? 'key_hash' : 'token_hash';
      const rows = await plane.database.query<{ hash: string }>(
        `SELECT ${column} AS hash FROM control.${table} WHERE account_id = $1`,
        [me.account.id],
      );
      expect(rows).toHaveLength(1);
      expect(text).not.toContain(rows[0]?.hash);
    }
    expect(await auditedActions(plane, me.account.id)).toContain('account.exported');
  });

  it('is whole however many rows there are, each of them once', async () => {
    const { browser, me } = await plane.signUp();
    await plane.database.query(
      `INSERT INTO control.projects (account_id, id, name, created_at)
       SELECT $1, gen_random_uuid(), 'p' || n, now() FROM generate_series(1, ${MANY}) AS n`,
      [me.account.id],
    );
    const { body } = await browser.send<Exported>('GET', '/api/account/export');
    expect(new Set(body['projects']?.map(({ id }) => id)).size).toBe(MANY);
    expect(body['projects']).toHaveLength(MANY);
  });

  it('has nothing of other accounts, and is for owners alone (TL-1)', async () => {
    const [one, other] = [await plane.signUp(), await plane.signUp()];
    await other.browser.mint();
    expect((await one.browser.send('GET', '/api/account/export')).text).not.toContain(other.me.account.id);
    const admin = await addMember(plane, one.me.account.id, 'admin');
    expect((await admin.browser.send('GET', '/api/account/export')).status).toBe(403);
  });
});
