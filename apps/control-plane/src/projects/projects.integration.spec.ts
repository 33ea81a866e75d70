import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import type { KeyDetail, KeyMinted } from '@tensorloop/contracts/api/keys';
import type { Project, ProjectPage } from '@tensorloop/contracts/api/projects';
import { projectScope } from '@tensorloop/contracts/settle-ack';
import { setAccountPlan } from '@tensorloop/db/operator';
import { WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { parseKeyText } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { TEST_REDIS_CALL_MS } from '@tensorloop/testing/servers';
import { PEPPER, startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { PROJECTS_ACTIVE_MAX } from './projects.rules.js';

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

type ProjectAnswer = Project & { code?: string; errors?: { pointer: string }[] };
type Minted = KeyMinted & { key: string };

async function signUp() {
  const signedUp = await plane.signUp();
  await setAccountPlan(plane.database.urls.owner, signedUp.me.account.id, 'pro');
  return signedUp;
}

const create = (browser: TestBrowser, body: unknown = { name: 'Search' }) =>
  browser.send<ProjectAnswer>('POST', '/api/projects', { body });
const patch = (browser: TestBrowser, id: string, body: unknown) =>
  browser.send<ProjectAnswer>('PATCH', `/api/projects/${id}`, { body });
const mint = async (browser: TestBrowser, key: Record<string, unknown>) => (await browser.mint(key)).body as unknown as Minted;

function inRedis(keyText: string): Promise<Record<string, string>> {
  const hash = createHmac('sha256', PEPPER).update(keyText).digest('hex');
  return plane.redis.hgetall(`tl:{${parseKeyText(keyText)?.accountTag}}:key:${hash}`);
}

describe('a project', () => {
  it('begins unspent, with a window of 30 days from its creation (TL-4)', async () => {
    const { browser } = await signUp();
    const { status, body } = await create(browser, { name: ' Search ', budgetUsd: '25.5' });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      name: 'Search',
      status: 'active',
      archivedAt: null,
      activeKeys: 0,
      budgetUsd: '25.50',
      budgetNanoUsd: '25500000000',
      usageAvailable: true,
      spentNanoUsd: '0',
      heldNanoUsd: '0',
      leftUsd: '25.50',
      windowStart: body.createdAt,
      budgetExhausted: false,
      version: 1,
    });
    expect(Date.parse(body.resetsAt) - Date.parse(body.createdAt)).toBe(WINDOW_MS);
  });

  it.each([
    [{ name: '' }, 400, '/name'],
    [{ name: 'x', budgetUsd: '-1' }, 400, '/budgetUsd'],
    [{ name: 'x', budgetUsd: '9999999' }, 422, '/budgetUsd'],
    [{ name: 'x', owner: 1 }, 400, ''],
  ])('of %j is refused with %i, pointing at %s', async (body, status, pointer) => {
    const { browser } = await signUp();
    const answer = await create(browser, body);
    expect([answer.status, answer.body.errors?.[0]?.pointer]).toEqual([status, pointer]);
  });

  it('has a name of its own, is made once with an Idempotency-Key, and is told to the audit log', async () => {
    const { browser, me } = await signUp();
    const send = () =>
      browser.send<Project>('POST', '/api/projects', { body: { name: 'a' }, headers: { 'idempotency-key': 'k' } });
    const [first, again] = [await send(), await send()];
    expect(again.body.id).toBe(first.body.id);
    const taken = await create(browser, { name: 'a' });
    expect([taken.status, taken.body.code]).toEqual([409, 'project_name_taken']);
    await patch(browser, first.body.id, { budgetUsd: '3' });
    const entries = await plane.database.query(
      `SELECT action, details FROM control.audit_entries WHERE account_id = $1 AND subject_kind = 'project' ORDER BY sequence`,
      [me.account.id],
    );
    expect(entries).toMatchObject([
      { action: 'project.created', details: { name: 'a', budgetNanoUsd: null } },
      { action: 'project.changed', details: { before: { budgetNanoUsd: null }, after: { budgetNanoUsd: '3000000000' } } },
    ]);
  });

  it('is one of a bounded number', async () => {
    const { browser, me } = await signUp();
    await plane.database.query(
      `INSERT INTO control.projects (account_id, id, name, created_at) SELECT $1, i, i::text, now() FROM unnest($2::uuid[]) AS i`,
      [me.account.id, Array.from({ length: PROJECTS_ACTIVE_MAX }, () => uuid7())],
    );
    const { status, body } = await create(browser);
    expect([status, body.code]).toEqual([409, 'project_limit_reached']);
    const page = await browser.send<ProjectPage>('GET', '/api/projects?limit=99');
    expect([page.body.data.length, page.body.hasMore]).toEqual([99, true]);
    const rest = await browser.send<ProjectPage>('GET', `/api/projects?limit=99&cursor=${page.body.nextCursor}`);
    expect([rest.body.data.length, rest.body.hasMore, rest.body.nextCursor]).toEqual([1, false, null]);
  });

  it('of another account is as absent as one that never was, on every route (TL-1)', async () => {
    const [owner, stranger] = [await signUp(), await signUp()];
    const { body: project } = await create(owner.browser);
    for (const id of [project.id, uuid7()]) {
      for (const [method, body] of [
        ['GET', undefined],
        ['PATCH', { name: 'mine' }],
        ['DELETE', undefined],
      ] as const) {
        const answer = await stranger.browser.send(method, `/api/projects/${id}`, body === undefined ? {} : { body });
        expect([answer.status, answer.body.code]).toEqual([404, 'project_not_found']);
      }
    }
    expect((await stranger.browser.send<ProjectPage>('GET', '/api/projects')).body.data).toEqual([]);
    expect((await owner.browser.send<Project>('GET', `/api/projects/${project.id}`)).body.name).toBe('Search');
  });

  it.each([
    ['admin', 201],
    ['developer', 403],
    ['billing', 403],
    ['viewer', 403],
  ])('made by a member who is %s is answered %i; all may see it', async (role, status) => {
    const { browser, me } = await signUp();
    await plane.database.query('UPDATE control.memberships SET role = $2 WHERE user_id = $1', [me.user.id, role]);
    expect((await create(browser)).status).toBe(status);
    expect((await browser.send('GET', '/api/projects')).status).toBe(200);
  });
});

describe('keys of a project', () => {
  it('carry its budget to the gateways, and every change of it, the moment it is answered', async () => {
    const { browser } = await signUp();
    const { body: project } = await create(browser, { name: 'Search', budgetUsd: '10' });
    const keys = [await mint(browser, { projectId: project.id }), await mint(browser, { projectId: project.id })];
    expect(keys[0]?.project).toEqual({ id: project.id, name: 'Search' });
    for (const { key } of keys) {
      expect(await inRedis(key)).toMatchObject({
        projectId: project.id,
        projectName: 'Search',
        projectStart: String(Date.parse(project.createdAt)),
        projectBudget: '10000000000',
        accountRpm: '3000',
      });
    }
    const changed = await patch(browser, project.id, { name: 'Find', budgetUsd: '2' });
    expect(changed.body).toMatchObject({ name: 'Find', budgetUsd: '2.00', activeKeys: 2, version: 2 });
    for (const { key } of keys)
      expect(await inRedis(key)).toMatchObject({ version: '2', projectName: 'Find', projectBudget: '2000000000' });
    await patch(browser, project.id, { budgetUsd: null });
    expect(await inRedis(keys[0]?.key as string)).not.toHaveProperty('projectBudget');
    const moved = await browser.send<KeyDetail>('PATCH', `/api/keys/${keys[0]?.id}`, { body: { projectId: null } });
    expect(moved.body.project).toBeNull();
    expect(await inRedis(keys[0]?.key as string)).not.toHaveProperty('projectId');
  });

  it('keep it from being archived; an archived one takes none, leaves the list, and can be brought back', async () => {
    const { browser } = await signUp();
    const { body: project } = await create(browser);
    const key = await mint(browser, { projectId: project.id });
    const held = await browser.send('DELETE', `/api/projects/${project.id}`);
    expect([held.status, held.body.code]).toEqual([409, 'project_has_active_keys']);
    await browser.send('DELETE', `/api/keys/${key.id}`);
    expect((await browser.send('DELETE', `/api/projects/${project.id}`)).status).toBe(204);
    expect((await browser.send<ProjectPage>('GET', '/api/projects')).body.data).toEqual([]);
    const { body: all } = await browser.send<ProjectPage>('GET', '/api/projects?include=archived');
    expect(all.data).toMatchObject([{ id: project.id, status: 'archived' }]);
    const inactive = await browser.send<ProjectPage>('GET', '/api/projects?include=inactive');
    expect(inactive.body.data).toEqual(all.data);
    const refused = await browser.mint({ projectId: project.id });
    expect([refused.status, refused.body.code]).toEqual([422, 'project_archived']);
    // Its name is free meanwhile, and so it cannot come back while another has it.
    const { body: other } = await create(browser);
    const taken = await patch(browser, project.id, { archived: false });
    expect([taken.status, taken.body.code]).toEqual([409, 'project_name_taken']);
    await patch(browser, other.id, { name: 'other' });
    expect((await patch(browser, project.id, { archived: false })).body).toMatchObject({ status: 'active', name: 'Search' });
    expect((await browser.mint({ projectId: project.id })).status).toBe(201);
  });
});

describe('what a project has spent', () => {
  it('is what admission goes by: ended calls, calls in flight, and what is left of its budget', async () => {
    const { browser } = await signUp();
    const { body: project } = await create(browser, { name: 'p', budgetUsd: '0.00001' });
    const { key } = await mint(browser, { projectId: project.id });
    const accountTag = parseKeyText(key)?.accountTag as string;
    const scope = projectScope(project.id, 0);
    const unknown = await browser.send<Project>('GET', `/api/projects/${project.id}`);
    expect(unknown.body).toMatchObject({ usageAvailable: false, spentUsd: null, leftUsd: null, budgetExhausted: false });
    const admission = new AdmissionClient(plane.redis, undefined, TEST_REDIS_CALL_MS);
    const rebuildId = (await admission.beginRebuild(accountTag, uuid7())) as string;
    await admission.openEpoch({ accountTag, rebuildId, expectedGatewayIds: [] });
    await admission.seedTotals(accountTag, [{ scope, totalNanoUsd: '4000', version: 3 }]);
    await plane.redis.hset(`tl:{${accountTag}}:scope:${scope}`, { settled: '1000', held: '2000' });
    expect((await browser.send<ProjectPage>('GET', '/api/projects')).body.data).toMatchObject([
      { spentNanoUsd: '5000', heldNanoUsd: '2000', leftNanoUsd: '3000', usageAvailable: true, budgetExhausted: false },
    ]);
    await plane.redis.hset(`tl:{${accountTag}}:scope:${scope}`, { settled: '6000', held: '0' });
    expect((await browser.send<Project>('GET', `/api/projects/${project.id}`)).body).toMatchObject({
      leftUsd: '0.00',
      budgetExhausted: true,
    });
  });
});
