import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AuditEntry, AuditPage, AuditVerification } from '@tensorloop/contracts/api/audit';
import { ROLES } from '@tensorloop/contracts/dashboard-api';
import { ControlClient } from '@tensorloop/db/control-client';
import fc from 'fast-check';
import { startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { AuditTrail } from './audit.trail.js';
import type { AuditAction, AuditActor } from './audit.types.js';
import { ChainVerifier } from './audit-chain.rules.js';
import { readExport } from './audit-export.rules.js';

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

const SYSTEM: AuditActor = { kind: 'system', id: null, label: 'spec' };

interface Appended {
  action?: string;
  subject?: { kind: string; id: string };
  details?: Record<string, unknown>;
  actor?: AuditActor;
}

function append(
  accountId: string,
  { action = 'key.minted', subject = { kind: 'key', id: 'k' }, details = {}, actor = SYSTEM }: Appended,
) {
  const trail = plane.app.get(AuditTrail);
  return plane.app
    .get(ControlClient)
    .withAccount(accountId, (tx) => trail.append(tx, { accountId, action: action as AuditAction, subject, details, actor }));
}

const list = (browser: TestBrowser, query = '') => browser.send<AuditPage>('GET', `/api/audit${query}`);

async function listAll(browser: TestBrowser, query: string): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for (let cursor = ''; ; ) {
    const { body } = await list(browser, `?${query}${cursor}`);
    entries.push(...body.data);
    if (body.nextCursor === null) return entries;
    cursor = `&cursor=${body.nextCursor}`;
  }
}

describe('GET /api/audit (TL-1)', () => {
  it('lists entries newest first, page by page, without one twice or left out', async () => {
    const { browser, me } = await plane.signUp();
    const before = (await listAll(browser, 'limit=100')).length;
    for (let index = 0; index < 7; index++) await append(me.account.id, { details: { index } });
    const entries = await listAll(browser, 'limit=3');
    expect(entries.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: before + 7 }, (_, index) => before + 7 - index),
    );
    expect(entries[0]).toMatchObject({
      actor: SYSTEM,
      action: 'key.minted',
      subject: { kind: 'key', id: 'k' },
      details: { index: 6 },
    });
    expect(entries[0]?.previousHash).toBe(entries[1]?.hash);
  });

  it('filters by who, what, on what and when', async () => {
    const { browser, me } = await plane.signUp();
    const other: AuditActor = { kind: 'token', id: '0193e4a1-0000-7000-8000-000000000002', label: 'ci' };
    await append(me.account.id, { action: 'key.minted', subject: { kind: 'key', id: 'one' } });
    await append(me.account.id, { action: 'key.revoked', subject: { kind: 'key', id: 'one' }, actor: other });
    await append(me.account.id, { action: 'keys.exported', subject: { kind: 'account', id: 'two' }, actor: other });
    const actions = async (query: string) => (await listAll(browser, query)).map(({ action }) => action).reverse();
    expect(await actions('actorKind=token')).toEqual(['key.revoked', 'keys.exported']);
    expect(await actions(`actorId=${other.id}&subjectKind=account`)).toEqual(['keys.exported']);
    expect(await actions('action=key.minted')).toEqual(['key.minted']);
    expect(await actions('action=key.*')).toEqual(['key.minted', 'key.revoked']);
    expect(await actions('subjectId=one')).toEqual(['key.minted', 'key.revoked']);
    const [{ time } = { time: '' }] = await listAll(browser, 'action=keys.exported');
    expect(await actions(`from=${time}&subjectId=two`)).toEqual(['keys.exported']);
    expect(await actions(`to=${time}&subjectId=two`)).toEqual([]);
  });

  it('is for owners and admins', async () => {
    const { browser, me } = await plane.signUp();
    for (const role of ROLES) {
      await plane.database.query('UPDATE control.memberships SET role = $2 WHERE account_id = $1', [me.account.id, role]);
      const status = role === 'owner' || role === 'admin' ? 200 : 403;
      for (const path of ['', '/export', '/verification']) expect((await list(browser, path)).status).toBe(status);
    }
  });

  it('shows nothing of another account, and takes no cursor that is none', async () => {
    const [one, two] = [await plane.signUp(), await plane.signUp()];
    await append(one.me.account.id, { action: 'secret.thing' });
    expect(await listAll(two.browser, 'action=secret.thing')).toEqual([]);
    expect((await two.browser.send('GET', '/api/audit/export')).text).not.toContain('secret.thing');
    const refused = await two.browser.send('GET', '/api/audit?cursor=bm8');
    expect([refused.status, refused.body.code]).toEqual([400, 'cursor_invalid']);
  });

  it.each([
    '?limit=0',
    '?limit=201',
    '?actorId=x',
    '?action=Key',
    '?from=yesterday',
    '?from=0000-01-01T00:00:00Z',
    '?subjectId=%00',
    '?other=1',
    '/verification?sequence=3',
    '/export?format=xml',
  ])('refuses %s', async (query) => {
    const { browser } = await plane.signUp();
    expect((await list(browser, query)).status).toBe(400);
  });
});

describe('GET /api/audit/export (TL-1)', () => {
  it.each(['ndjson', 'csv'])('as %s proves the log without the installation, whatever its details are', async (format) => {
    const { browser, me } = await plane.signUp();
    const values = fc.sample(fc.jsonValue({ noUnicodeString: false } as object), 60) as unknown[];
    // What a text of PostgreSQL cannot hold, it refuses at the writer.
    const storable = values.filter((value) => !/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(value)));
    for (const value of [...storable, { bb: 1, a: 1e21, ü: -0.5, '': 1e-7, z: 0.1 }]) {
      await append(me.account.id, { details: { value }, subject: { kind: 'key', id: '=1+1, "x"' } });
    }
    const answer = await browser.send('GET', `/api/audit/export?format=${format}`);
    expect(answer.headers.get('content-type')).toContain(format);
    const verifier = new ChainVerifier();
    for (const entry of readExport(answer.text)) verifier.add(entry);
    expect(verifier.problems).toEqual([]);
    expect(verifier.entries).toBeGreaterThan(storable.length);
    const { body } = await browser.send<AuditVerification>('GET', '/api/audit/verification');
    expect(verifier.head).toEqual(body.head);
  });

  it('is narrowed like the list', async () => {
    const { browser, me } = await plane.signUp();
    await append(me.account.id, { action: 'key.minted' });
    await append(me.account.id, { action: 'member.added' });
    const { text } = await browser.send('GET', '/api/audit/export?action=member.*');
    expect([...readExport(text)].map(({ action }) => action)).toEqual(['member.added']);
  });

  it('goes on over many pieces without a gap', async () => {
    const { browser, me } = await plane.signUp();
    await plane.database.query(
      `SELECT set_config('app.account_id', $1::text, false), count(control.append_audit($1::uuid, now(), '{"kind": "system", "label": "spec"}',
         'bulk.added', '{"kind": "x", "id": "x"}', jsonb_build_object('n', n), '{}')) FROM generate_series(1, 2500) AS n GROUP BY 1`,
      [me.account.id],
    );
    const { text } = await browser.send('GET', '/api/audit/export');
    const verifier = new ChainVerifier();
    for (const entry of readExport(text)) verifier.add(entry);
    expect(verifier.entries).toBeGreaterThanOrEqual(2_500);
    expect(verifier.problems).toEqual([]);
  });
});

describe('GET /api/audit/verification (TL-1)', () => {
  it('says that the log is as it was written, and finds an entry that was noted', async () => {
    const { browser, me } = await plane.signUp();
    await append(me.account.id, {});
    const first = await browser.send<AuditVerification>('GET', '/api/audit/verification');
    expect(first.body).toMatchObject({ isSound: true, isComplete: true, noted: null, problems: [] });
    const { sequence, hash } = first.body.head;
    expect(sequence).toBe(first.body.entries);
    await append(me.account.id, {});
    const again = await browser.send<AuditVerification>('GET', `/api/audit/verification?sequence=${sequence}&hash=${hash}`);
    expect(again.body).toMatchObject({ isSound: true, noted: { isFound: true } });
  });

  it('tells of tampering by whoever holds the database, and of a chain that was rewritten since it was noted', async () => {
    const { browser, me } = await plane.signUp();
    for (let index = 0; index < 3; index++) await append(me.account.id, { details: { index } });
    const { sequence, hash } = (await browser.send<AuditVerification>('GET', '/api/audit/verification')).body.head;
    await plane.database.query("UPDATE control.audit_entries SET action = 'x' WHERE account_id = $1 AND sequence = $2", [
      me.account.id,
      sequence,
    ]);
    const changed = await browser.send<AuditVerification>('GET', '/api/audit/verification');
    expect(changed.body).toMatchObject({ isSound: false, problems: [{ kind: 'changed', sequence }] });
    await plane.database.query(
      'UPDATE control.audit_entries e SET hash = control.audit_hash(e) WHERE account_id = $1 AND sequence = $2',
      [me.account.id, sequence],
    );
    await plane.database.query(
      'UPDATE control.audit_heads h SET hash = e.hash FROM control.audit_entries e WHERE h.account_id = $1 AND e.account_id = $1 AND e.sequence = h.sequence',
      [me.account.id],
    );
    const rewritten = await browser.send<AuditVerification>('GET', '/api/audit/verification');
    expect(rewritten.body).toMatchObject({ isSound: true, problems: [] });
    const noted = await browser.send<AuditVerification>('GET', `/api/audit/verification?sequence=${sequence}&hash=${hash}`);
    expect(noted.body).toMatchObject({ isSound: false, noted: { isFound: false } });
  });
});
