import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { AuditPage } from '@tensorloop/contracts/api/audit';
import type {
  Installation,
  OperatorAccountDetail,
  OperatorAccountPage,
  OperatorChange,
  OperatorList,
  OperatorPlanList,
} from '@tensorloop/contracts/api/operator';
import type { Problem } from '@tensorloop/contracts/dashboard-api';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { walkRoutes } from '@tensorloop/nest-kit/routes';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { OPERATOR_SIGN_IN_AGE_MS_MAX } from './operator-access.service.js';

const ROUTES_MIN = 9;
const REASON = { reason: 'unpaid since June' };

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());
beforeEach(() => {
  plane.clockOffsetMs = 0;
});

async function signUpOperator() {
  const operator = await plane.signUp(`operator-${randomUUID()}@example.com`);
  await plane.database.query('INSERT INTO control.operators (user_id) VALUES ($1)', [operator.me.user.id]);
  return operator;
}

/** What Redis says of the key: what gateways go by. */
async function isRevokedAtGateways(keyId: string): Promise<boolean> {
  for (const name of await plane.redis.keys('tl:*:key:*')) {
    const fields = await plane.redis.hgetall(name);
    if (fields['keyId'] === keyId) return fields['revoked'] === '1';
  }
  throw new Error(`Redis knows no key ${keyId}`);
}

const operatorRoutes = () => walkRoutes(plane.app).filter(({ path }) => path.startsWith('/api/operator'));
const withoutId = ({ body }: { body: Problem }) => ({ ...body, requestId: '' });

describe('routes of operators (TL-1)', () => {
  it('all ask for an operator', () => {
    const routes = operatorRoutes();
    expect(routes.length).toBeGreaterThanOrEqual(ROUTES_MIN);
    expect(routes.filter(({ access }) => access !== 'operator').map(({ path }) => path)).toEqual([]);
  });

  it('answer everybody else as a route that does not exist does: strangers, owners, and with a body that is not valid', async () => {
    const owner = await plane.signUp();
    for (const browser of [plane.browser(), owner.browser]) {
      for (const { method, path } of operatorRoutes()) {
        const real = path.replace(':id', owner.me.account.id);
        const body = method === 'GET' ? {} : { body: { wrong: true } };
        const answer = await browser.send(method, real, body);
        const absent = await browser.send(method, '/api/operator/nothing', body);
        expect([answer.status, absent.status]).toEqual([404, 404]);
        expect(withoutId(answer)).toEqual(withoutId(absent));
      }
    }
  });

  it('are closed to whoever is no operator any more', async () => {
    const { browser, me } = await signUpOperator();
    expect((await browser.send('GET', '/api/operator/accounts')).status).toBe(200);
    await plane.database.query('DELETE FROM control.operators WHERE user_id = $1', [me.user.id]);
    expect((await browser.send('GET', '/api/operator/accounts')).status).toBe(404);
  });

  it('change nothing when the operator signed in long ago, and still show', async () => {
    const { browser } = await signUpOperator();
    const { me } = await plane.signUp();
    plane.clockOffsetMs = OPERATOR_SIGN_IN_AGE_MS_MAX;
    const refused = await browser.send('POST', `/api/operator/accounts/${me.account.id}/disable`, { body: REASON });
    expect([refused.status, refused.body.code]).toEqual([403, 'operator_sign_in_again']);
    const shown = await browser.send<OperatorAccountDetail>('GET', `/api/operator/accounts/${me.account.id}`);
    expect([shown.status, shown.body.status]).toEqual([200, 'active']);
  });

  it.each([
    [
      'whose session ended meanwhile',
      (tx: ControlTransaction, userId: string) => tx.session.updateMany({ where: { userId }, data: { revokedAt: new Date() } }),
    ],
    [
      'who is no operator any more',
      (tx: ControlTransaction, userId: string) => tx.$queryRaw`DELETE FROM control.operators WHERE user_id = ${userId}::uuid`,
    ],
  ])('leave nothing behind of a change that was let in before, by somebody %s', async (_name, ends) => {
    const { browser, me } = await signUpOperator();
    const { me: other } = await plane.signUp();
    const client = new ControlClient(plane.database.superuserUrl);
    try {
      const { begun } = await client.within({ userId: me.user.id }, async (tx) => {
        await ends(tx, me.user.id);
        const pending = browser.send('POST', `/api/operator/accounts/${other.account.id}/disable`, { body: REASON });
        const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event IN ('transactionid', 'tuple')`;
        await waitUntil(async () => (await plane.database.query(waiting)).length > 0, { what: 'the change to wait' });
        // Wrapped: a promise that is returned bare would be awaited before the commit.
        return { begun: pending };
      });
      const { status, body } = await begun;
      expect([status, body.code]).toEqual([401, 'credential_over']);
    } finally {
      await client.close();
    }
    const rows = await plane.database.query('SELECT disabled_at, version FROM control.accounts WHERE id = $1', [
      other.account.id,
    ]);
    expect(rows).toEqual([{ disabled_at: null, version: 1 }]);
  });

  it('change only the version of an account that the operator saw, where If-Match says which', async () => {
    const { browser } = await signUpOperator();
    const { me: other } = await plane.signUp();
    const path = `/api/operator/accounts/${other.account.id}`;
    const seen = await browser.send<OperatorAccountDetail>('GET', path);
    const headers = { 'if-match': seen.headers.get('etag') as string };
    const body = { planId: 'developer', ...REASON };
    expect((await browser.send('PUT', `${path}/plan`, { body, headers })).status).toBe(200);
    const again = await browser.send('PUT', `${path}/plan`, { body: { ...body, planId: 'pro' }, headers });
    expect([again.status, again.body.code]).toEqual([412, 'precondition_failed']);
    expect((await browser.send<OperatorAccountDetail>('GET', path)).body).toMatchObject({ plan: { id: 'developer' } });
  });

  it('give the operator nothing of other accounts on any other route', async () => {
    const { browser, me } = await signUpOperator();
    const other = await plane.signUp();
    await other.browser.mint();
    const { body } = await browser.send<{ data: unknown[] }>('GET', '/api/keys');
    expect(body.data).toEqual([]);
    const log = await browser.send<AuditPage>('GET', '/api/audit?limit=100');
    expect(log.text).not.toContain(other.me.account.id);
    expect(me.account.id).not.toBe(other.me.account.id);
  });
});

describe('accounts, for operators (TL-1)', () => {
  let operator: TestBrowser;
  beforeAll(async () => {
    operator = (await signUpOperator()).browser;
  });

  const list = async (query: string) =>
    (await operator.send<OperatorAccountPage>('GET', `/api/operator/accounts${query}`)).body;

  it('are found by name, by address, and by the id of account, member or key', async () => {
    const mark = randomUUID();
    const { me, browser } = await plane.signUp(`${mark}@example.com`);
    const { body: key } = await browser.mint();
    for (const search of [mark.slice(0, 12).toUpperCase(), `${mark}@exam`, me.account.id, me.user.id, key.id]) {
      const { data } = await list(`?search=${search}`);
      expect(data).toMatchObject([{ id: me.account.id, status: 'active', plan: { id: 'free' }, members: 1, keysActive: 1 }]);
    }
    expect((await list(`?search=${randomUUID()}`)).data).toEqual([]);
    expect((await list(`?search=${mark}&planId=pro`)).data).toEqual([]);
  });

  it('are listed page by page, each once', async () => {
    const ids: string[] = [];
    for (let cursor = ''; ; ) {
      const page = await list(`?limit=2${cursor}`);
      ids.push(...page.data.map(({ id }) => id));
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    const [{ count }] = (await plane.database.query('SELECT count(*)::int FROM control.accounts')) as [{ count: number }];
    expect(new Set(ids).size).toBe(count);
    expect(ids.length).toBe(count);
  });

  it('are shown with members and keys, and with nothing that opens anything', async () => {
    const { me, browser, email } = await plane.signUp();
    const { body: key } = await browser.mint({ name: 'shown' });
    const detail = await operator.send<OperatorAccountDetail>('GET', `/api/operator/accounts/${me.account.id}`);
    expect(detail.body).toMatchObject({
      id: me.account.id,
      plan: { id: 'free', keysMax: 2 },
      kind: 'metered',
      memberList: [{ userId: me.user.id, email, role: 'owner' }],
      keyList: [{ id: key.id, name: 'shown', status: 'active' }],
      // There is no metering in this spec.
      usage: null,
    });
    expect(detail.text).not.toContain(key.key);
    const [{ hash }] = (await plane.database.query('SELECT key_hash AS hash FROM control.keys WHERE id = $1', [key.id])) as [
      { hash: string },
    ];
    expect(detail.text).not.toContain(hash);
  });

  it('that are not there are 404 with their own code', async () => {
    const { status, body } = await operator.send('GET', '/api/operator/accounts/0193e4a1-0000-7000-8000-000000000001');
    expect([status, body.code]).toEqual([404, 'operator_account_not_found']);
    const change = await operator.send('POST', '/api/operator/accounts/0193e4a1-0000-7000-8000-000000000001/disable', {
      body: REASON,
    });
    expect([change.status, change.body.code]).toEqual([404, 'operator_account_not_found']);
  });
});

describe('what operators do to an account (TL-1)', () => {
  it('disabling refuses every key at the gateways and minting at once; enabling gives them back', async () => {
    const operator = await signUpOperator();
    const { me, browser } = await plane.signUp();
    const { body: key } = await browser.mint();
    const path = `/api/operator/accounts/${me.account.id}`;
    const disabled = await operator.browser.send<OperatorChange>('POST', `${path}/disable`, { body: REASON });
    expect(disabled.body).toMatchObject({ accountId: me.account.id, status: 'disabled', keysAnnounced: 1, isInForce: true });
    expect(await isRevokedAtGateways(key.id)).toBe(true);
    expect((await browser.mint()).body.code).toBe('account_not_active');
    const enabled = await operator.browser.send<OperatorChange>('POST', `${path}/enable`, { body: { reason: 'paid' } });
    expect(enabled.body).toMatchObject({ status: 'active', isInForce: true });
    expect(await isRevokedAtGateways(key.id)).toBe(false);
    expect((await browser.mint()).status).toBe(201);
  });

  it('sets any plan there is, offered or not', async () => {
    const operator = await signUpOperator();
    const { me, browser } = await plane.signUp();
    const path = `/api/operator/accounts/${me.account.id}/plan`;
    const set = await operator.browser.send<OperatorChange>('PUT', path, { body: { planId: 'internal', ...REASON } });
    expect(set.body).toMatchObject({ planId: 'internal', isInForce: true });
    expect((await browser.mint({ rpm: 1_000 })).status).toBe(201);
    const unknown = await operator.browser.send('PUT', path, { body: { planId: 'none', ...REASON } });
    expect([unknown.status, unknown.body.code]).toEqual([422, 'operator_plan_unknown']);
  });

  it('is in the audit log of that account, with who and why, and in no other', async () => {
    const operator = await signUpOperator();
    const { me, browser } = await plane.signUp();
    const path = `/api/operator/accounts/${me.account.id}`;
    await operator.browser.send('PUT', `${path}/plan`, { body: { planId: 'pro', ...REASON } });
    await operator.browser.send('POST', `${path}/keys/reproject`, { body: REASON });
    await operator.browser.send('POST', `${path}/disable`, { body: REASON });
    await operator.browser.send('POST', `${path}/enable`, { body: REASON });
    const { body } = await browser.send<AuditPage>('GET', '/api/audit?actorKind=operator');
    const actor = { kind: 'operator', id: operator.me.user.id, label: operator.email };
    expect(body.data.map(({ action }) => action)).toEqual([
      'account.enabled',
      'account.disabled',
      'account.keys_reprojected',
      'account.plan_changed',
    ]);
    for (const entry of body.data) expect(entry).toMatchObject({ actor, details: REASON, subject: { id: me.account.id } });
    expect(body.data.at(-1)?.details).toMatchObject({ from: 'free', to: 'pro' });
    const own = await operator.browser.send<AuditPage>('GET', '/api/audit?actorKind=operator');
    expect(own.body.data).toEqual([]);
  });

  it('asks for a reason', async () => {
    const operator = await signUpOperator();
    const { me } = await plane.signUp();
    const path = `/api/operator/accounts/${me.account.id}/disable`;
    for (const body of [{}, { reason: ' ' }, { reason: 'a\u0000b' }])
      expect((await operator.browser.send('POST', path, { body })).status).toBe(400);
  });
});

describe('the installation, for operators (TL-1)', () => {
  it('lists every plan that an account can be moved to, offered or not, and how many have it', async () => {
    const { browser } = await signUpOperator();
    const { status, body } = await browser.send<OperatorPlanList>('GET', '/api/operator/plans');
    expect(status).toBe(200);
    const plans = await plane.database.query<{ id: string; accounts: number }>(
      'SELECT p.id, count(a.id)::int AS accounts FROM control.plans p LEFT JOIN control.accounts a ON a.plan_id = p.id GROUP BY p.id ORDER BY p.position, p.id',
    );
    expect(body.data.map(({ id, accounts }) => ({ id, accounts }))).toEqual(plans);
    expect(body.data.find(({ id }) => id === 'free')?.accounts).toBeGreaterThan(0);
    expect(body.data.find(({ id }) => id === 'internal')).toMatchObject({ isOffered: false });
    const offered = await browser.send<{ data: { id: string }[] }>('GET', '/api/plans');
    expect(body.data.length).toBeGreaterThan(offered.body.data.length);
  });

  it('names them all, and says how it is', async () => {
    const { browser, me, email } = await signUpOperator();
    const operators = await browser.send<OperatorList>('GET', '/api/operator/operators');
    expect(operators.body.data.at(-1)).toMatchObject({ userId: me.user.id, email });
    const read = () => browser.send<Installation>('GET', '/api/operator/installation');
    // A check has a bound in time of its own, which a machine that runs other tests may miss once.
    const { status, body } = await waitUntil(
      async () => {
        const answer = await read();
        return answer.body.checks['postgres_operator']?.ok === true && answer;
      },
      { what: 'the check of PostgreSQL to succeed' },
    );
    expect(status).toBe(200);
    expect(body.counts.operators).toBe(operators.body.data.length);
    expect(body.counts.users).toBeGreaterThanOrEqual(body.counts.operators);
    expect(body.projections).toEqual({ waiting: 0, oldestSince: null });
    expect(body.gateways).toEqual([]);
  });
});
