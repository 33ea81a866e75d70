import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ControlClient } from '@tensorloop/db/control-client';
import { START_TIMEOUT_MS, startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { AuditTrail } from './audit.trail.js';

let plane: TestControlPlane;

beforeAll(async () => {
  plane = await startControlPlane();
}, START_TIMEOUT_MS);
afterAll(() => plane.close());

describe('the audit trail (spec TL-1)', () => {
  it('numbers entries and links each to the one before, and rolls back with the change', async () => {
    const { me } = await plane.signUp();
    const accountId = me.account.id;
    const control = plane.app.get(ControlClient);
    const trail = plane.app.get(AuditTrail);
    const actor = { kind: 'system' as const, id: null, label: 'spec' };
    const append = (action: string, fails = false) =>
      control.withAccount(accountId, async (tx) => {
        await trail.append(tx, { accountId, action, subject: { kind: 'key', id: 'k' }, actor });
        if (fails) throw new Error('planted');
      });
    const before = await control.withAccount(accountId, (tx) => tx.auditEntry.count());
    await append('a.one');
    await expect(append('a.lost', true)).rejects.toThrow('planted');
    await append('a.two');
    const entries = await control.withAccount(accountId, (tx) => tx.auditEntry.findMany({ orderBy: { sequence: 'asc' } }));
    const added = entries.slice(before);
    expect(added.map(({ action }) => action)).toEqual(['a.one', 'a.two']);
    expect(added[1]?.previousHash).toBe(added[0]?.hash);
    expect(added[1]?.sequence).toBe((added[0]?.sequence ?? 0n) + 1n);
  });
});
