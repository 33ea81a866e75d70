import type { Me } from '@tensorloop/contracts/dashboard-api';
import { uuid7, uuid7Day } from '@tensorloop/kernel/uuid7';
import { startSource } from '@tensorloop/testing/source-process';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { type Answer, startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';

const METERING = new URL('../../../metering/src/main.ts', import.meta.url).pathname;
const METERING_START_MS_MAX = 30_000;

/** A control plane with a real metering beside it, so that no answer is "usage is away". */
export async function startWholePlane(): Promise<TestControlPlane> {
  const plane = await startControlPlane();
  const metering = await startSource(
    METERING,
    {
      PORT: '0',
      NATS_URL: plane.nats.url,
      REDIS_URL: plane.redisServer.url,
      DATABASE_URL: plane.database.urls.meteringApp,
      INGEST_DATABASE_URL: plane.database.urls.meteringIngest,
    },
    'listening',
  );
  const { browser } = await plane.signUp();
  await waitUntil(async () => (await browser.send('GET', '/api/activity')).status === 200, {
    what: 'metering to answer',
    timeoutMs: METERING_START_MS_MAX,
  });
  const close = plane.close.bind(plane);
  return Object.assign(plane, {
    async close() {
      await metering.stop();
      await close();
    },
  });
}

/** An account with one of everything, and who may speak for it. */
export interface Tenant {
  browser: TestBrowser;
  me: Me;
  /** A management token that may do what an owner may. */
  token: string;
  /** By what they are of. */
  ids: Record<'account' | 'user' | 'key' | 'project' | 'token' | 'invite' | 'session' | 'call', string>;
}

/** `label` is part of every name and address, so that any of them can be found where it should not be. */
export async function makeTenant(plane: TestControlPlane, label: string): Promise<Tenant> {
  const { browser, me } = await plane.signUp(`${label}@example.com`);
  const post = async (path: string, body: object) =>
    expectMade(await browser.send<Record<string, unknown>>('POST', path, { body }));
  await browser.send('PATCH', '/api/account', { body: { name: `${label}-account` } });
  const project = await post('/api/projects', { name: `${label}-project` });
  const tags = { team: `${label}-team` };
  const key = await post('/api/keys', { name: `${label}-key`, projectId: project.id, tags });
  const token = await post('/api/tokens', { name: `${label}-token`, role: 'owner' });
  const invite = await post('/api/invites', { email: `${label}-guest@example.com`, role: 'viewer' });
  const sessions = await browser.send<{ data: { id: string }[] }>('GET', '/api/sessions');
  const call = uuid7();
  const ids = { account: me.account.id, user: me.user.id, session: sessions.body.data[0]?.id, call };
  await addCall(plane, { call, account: me.account.id, key: String(key.id) });
  return {
    browser,
    me,
    token: String(token.token),
    ids: { ...ids, key: key.id, project: project.id, token: token.id, invite: invite.id } as Tenant['ids'],
  };
}

/** A call as metering keeps it. */
async function addCall(
  { database }: TestControlPlane,
  { call, account, key }: Record<'call' | 'account' | 'key', string>,
): Promise<void> {
  const day = uuid7Day(call);
  await database.query('SELECT metering.ensure_usage_partitions($1)', [day]);
  await database.query(
    `INSERT INTO metering.usage VALUES ($1, $2, $3, $4, 'gpt-4o-mini', 'chat.completions', 'g', false, 'completed', 200, false,
       now(), now(), now(), 0, now(), $1, $2, '{}', 5, 5, 0, 1, 1, '[]', '\\x00')`,
    [day, call, account, key],
  );
}

function expectMade({ status, body, text }: Answer<Record<string, unknown>>): Record<string, unknown> {
  if (status !== 201) throw new Error(`answered ${status}: ${text}`);
  return body;
}
