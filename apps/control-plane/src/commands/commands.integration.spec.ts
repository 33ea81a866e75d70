import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AuditPage } from '@tensorloop/contracts/api/audit';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';

const ENTRY = join(import.meta.dirname, 'admin.ts');
const REGISTER_SOURCE = join(import.meta.dirname, '../../../../packages/testing/register-source.mjs');

let plane: TestControlPlane;
let folder: string;
beforeAll(async () => {
  plane = await startControlPlane();
  folder = await mkdtemp(join(tmpdir(), 'tensorloop-admin-'));
});
afterAll(async () => {
  await plane.close();
  await rm(folder, { recursive: true, force: true });
});

interface Run {
  code: number;
  out: string;
  err: string;
}

/** The command in a process of its own, as people run it; by default against this spec's installation. */
function admin(args: string[], env: Record<string, string> = { OWNER_DATABASE_URL: plane.database.urls.owner }): Promise<Run> {
  const options = { cwd: folder, env: { PATH: process.env['PATH'] ?? '', NODE_NO_WARNINGS: '1', ...env } };
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', REGISTER_SOURCE, ENTRY, ...args], options, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, out, err });
    });
  });
}

describe('npm run admin (TL-1)', () => {
  it('says which deletions of accounts wait, and fails while one of them does', async () => {
    expect(await admin(['account', 'erasures'])).toMatchObject({ code: 0, out: 'No deletion of an account is waiting.\n' });
    const { browser, me } = await plane.signUp();
    await browser.send('DELETE', '/api/account');
    expect((await admin(['account', 'erasures'])).out).toMatch(
      new RegExp(`^${me.account.id}  waiting +due .* 0 pieces  next: 20`),
    );
    await plane.database.query('UPDATE control.accounts SET delete_after = now() WHERE id = $1', [me.account.id]);
    await plane.database.query("SELECT control.note_erasure_failure($1, 'deadlock detected')", [me.account.id]);
    const failing = await admin(['account', 'erasures']);
    expect(failing).toMatchObject({ code: 1, err: '1 of 1 deletions could not be carried out the last time.\n' });
    expect(failing.out).toContain('failed 1 times in a row: deadlock detected');
  });

  it('sets a plan, disables and enables; it is in force at gateways when it answers, and in the audit log', async () => {
    const { browser, me, email } = await plane.signUp();
    expect(await admin(['plan', 'set', email, 'enterprise'])).toMatchObject({ code: 0, err: '' });
    const { body: key } = await browser.mint();
    const disabled = await admin(['account', 'disable', me.account.id, '--reason', 'unpaid since June']);
    expect(disabled).toMatchObject({ code: 0, out: expect.stringContaining('Gateways go by it') });
    const [name = ''] = (await plane.redis.keys('tl:*:key:*')).slice(-1);
    expect([await plane.redis.hget(name, 'keyId'), await plane.redis.hget(name, 'revoked')]).toEqual([key.id, '1']);
    expect((await admin(['account', 'list', email])).out).toMatch(new RegExp(`${me.account.id}\\s+enterprise\\s+disabled`));
    expect(await admin(['account', 'enable', email, '--reason', 'paid'])).toMatchObject({ code: 0 });
    const { body } = await browser.send<AuditPage>('GET', '/api/audit?actorKind=operator');
    expect(body.data.map(({ action }) => action)).toEqual(['account.enabled', 'account.disabled', 'account.plan_changed']);
    expect(body.data[1]?.details).toMatchObject({ reason: 'unpaid since June' });
  });

  it('makes and removes operators, whom the API then knows', async () => {
    const { browser, email } = await plane.signUp();
    const status = async () => (await browser.send('GET', '/api/operator/operators')).status;
    // Without mail nobody can confirm an address: whoever runs the command vouches for it.
    expect(await admin(['operator', 'create', email])).toMatchObject({
      code: 1,
      err: expect.stringContaining('--unverified'),
    });
    expect(await status()).toBe(404);
    expect((await admin(['operator', 'create', email, '--unverified'])).out).toContain('is an operator now');
    expect(await status()).toBe(200);
    expect((await admin(['operator', 'list'])).out).toContain(email);
    expect((await admin(['pepper', 'status'])).code).toBe(0);
    expect((await admin(['operator', 'remove', email])).code).toBe(0);
    expect(await status()).toBe(404);
  });

  it('rotates the pepper as far as a command can: makes one, says where it goes, and what is left; never while keys would be lost', async () => {
    const { browser } = await plane.signUp();
    const { body: key } = await browser.mint();
    const unknown = await admin(['pepper', 'rotate']);
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('--current')]);
    const made = await admin(['pepper', 'rotate', '--current', '1']);
    const [, pepper = ''] = /^ {2}([\w-]{43})$/m.exec(made.out) ?? [];
    expect([made.code, pepper.length]).toEqual([0, 43]);
    for (const step of [`KEY_PEPPER_PREVIOUS=${pepper}`, `KEY_PEPPER=${pepper}`, 'KEY_PEPPER_VERSION=2', '--expect 2'])
      expect(made.out).toContain(step);
    const setTo = (version: string) => ({ OWNER_DATABASE_URL: plane.database.urls.owner, KEY_PEPPER_VERSION: version });
    expect((await admin(['pepper', 'rotate'], setTo(''))).out).toMatch(/KEY_PEPPER_VERSION=2/);
    // The second is in force, and nobody has called with a key: a third would lose them all.
    const third = await admin(['pepper', 'rotate'], setTo('2'));
    expect([third.code, third.err, third.out]).toEqual([1, expect.stringContaining('would be lost'), '']);
    const waiting = await admin(['pepper', 'status', '--expect', '2']);
    expect([waiting.code, waiting.out]).toEqual([1, expect.stringContaining(key.id)]);
    expect(waiting.out).toContain('No active key is known by pepper 2');
    // As a control plane of the new pepper leaves a key that was called with.
    await plane.database.query('UPDATE control.keys SET hash_version = 2 WHERE id = $1', [key.id]);
    const { body: other } = await browser.mint();
    const refused = await admin(['pepper', 'rotate', '--current', '2']);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('would be lost')]);
    expect(refused.out + refused.err).not.toMatch(/KEY_PEPPER=/);
    await plane.database.query('UPDATE control.keys SET hash_version = 2');
    expect([(await admin(['pepper', 'status', '--expect', '2'])).code, other.id.length]).toEqual([0, 36]);
    const stale = await admin(['pepper', 'rotate', '--current', '1']);
    expect([stale.code, stale.err]).toEqual([1, expect.stringContaining('later pepper than 1')]);
    expect((await admin(['pepper', 'rotate', '--current', '2'])).out).toContain('KEY_PEPPER_VERSION=3');
  });

  it('disables a user: every session is over and no password opens another', async () => {
    const { browser, email, password } = await plane.signUp();
    expect(await admin(['user', 'disable', email, '--reason', 'left'])).toMatchObject({ code: 0, err: '' });
    expect((await browser.send('GET', '/api/me')).status).toBe(401);
    const signIn = () => plane.browser().send('POST', '/api/auth/sign-in', { body: { email, password } });
    expect((await signIn()).status).toBe(401);
    expect(await admin(['user', 'enable', email, '--reason', 'back'])).toMatchObject({ code: 0 });
    expect((await signIn()).status).toBe(200);
  });

  it('grants, limits and reprojects', async () => {
    const { browser, me, email } = await plane.signUp();
    const { body: key } = await browser.mint();
    expect(
      await admin(['limits', email, '--kind', 'prepaid', '--daily-usd', '10', '--tpm', '500', '--parallel', 'none']),
    ).toMatchObject({ code: 0, err: '' });
    expect((await admin(['grant', email, '2.5', '--note', 'sorry', '--idempotency-key', 'one'])).out).toContain(
      'granted 2.5 USD',
    );
    expect((await admin(['grant', email, '2.5', '--idempotency-key', 'one'])).out).toContain('got nothing more');
    const [row] = await plane.database.query<{ tpm: number; version: number }>(
      'SELECT tpm, version FROM control.keys WHERE id = $1',
      [key.id],
    );
    expect(row?.tpm).toBe(500);
    expect((await admin(['keys', 'reproject', me.account.id])).out).toContain('1 keys');
    const [again] = await plane.database.query<{ version: number }>('SELECT version FROM control.keys WHERE id = $1', [key.id]);
    expect(again?.version).toBe((row?.version ?? 0) + 1);
  });

  it('verifies logs, all or one, and an export without an installation, and ends with 1 where one is broken', async () => {
    const { browser, me, email } = await plane.signUp();
    await admin(['plan', 'set', email, 'pro']);
    const { text } = await browser.send('GET', '/api/audit/export?format=csv');
    const file = join(folder, 'log.csv');
    await writeFile(file, text);
    expect(await admin(['audit', 'verify-file', file], {})).toMatchObject({
      code: 0,
      out: expect.stringContaining('as it was written'),
    });
    await writeFile(file, text.replace('plan_changed', 'plan_kept'));
    expect(await admin(['audit', 'verify-file', file], {})).toMatchObject({
      code: 1,
      err: expect.stringContaining('not the log'),
    });
    expect(await admin(['audit', 'verify', email])).toMatchObject({ code: 0 });
    await plane.database.query("UPDATE control.audit_entries SET action = 'x' WHERE account_id = $1 AND sequence = 1", [
      me.account.id,
    ]);
    const broken = await admin(['audit', 'verify']);
    expect(broken).toMatchObject({ code: 1, out: expect.stringContaining('BROKEN'), err: expect.stringContaining('1 of ') });
  });

  it('finds the running installation by itself, and says what to do where there is none', async () => {
    const none = await admin(['operator', 'list'], { TENSORLOOP_DATA_DIR: join(folder, 'nothing') });
    expect(none).toMatchObject({ code: 2, err: expect.stringContaining('Run "npm start" first') });
    const absent = await admin(['operator', 'list'], { OWNER_DATABASE_URL: 'postgresql://x@127.0.0.1:1/x' });
    expect(absent).toMatchObject({ code: 2, err: expect.stringContaining('Is the installation running?') });
    await writeFile(join(folder, 'stack.json'), JSON.stringify({ ownerDatabaseUrl: plane.database.urls.owner }));
    expect(await admin(['operator', 'list'], { TENSORLOOP_DATA_DIR: folder })).toMatchObject({ code: 0 });
  });

  it.each([
    [['operator', 'create', 'nobody@example.com'], 'nobody has signed up'],
    [['plan', 'set', 'nobody@example.com', 'pro'], 'there is no account'],
    [['account', 'disable', 'nobody@example.com'], "required option '--reason"],
    [['limits', 'nobody@example.com', '--tpm', '0', '--parallel', '1'], 'expected a whole number'],
    [['limits', 'nobody@example.com', '--kind', 'free'], 'expected metered or prepaid'],
    [['grant', 'nobody@example.com', '-5'], 'unknown option'],
    [['grant', 'nobody@example.com', '5', '--amount', '1'], 'unknown option'],
    [['nonsense'], 'unknown command'],
  ])('refuses %j', async (args, message) => {
    const { code, err } = await admin(args);
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(err).not.toContain('    at ');
  });

  it('explains itself with examples', async () => {
    for (const noun of ['operator', 'account', 'plan', 'keys', 'grant', 'limits', 'audit', 'user', 'pepper']) {
      const { code, out } = await admin([noun, '--help'], {});
      expect([noun, code]).toEqual([noun, 0]);
      expect(out).toContain(`npm run admin -- ${noun}`);
    }
  });
});
