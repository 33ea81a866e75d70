import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { ENDINGS, endsItself, isStillAllowed, OTHER_ACTIONS, takesAway } from './audit-actions.rules.js';

const SOURCES = new URL('../', import.meta.url);
/** What the product has; a search that finds fewer is blind. */
const FILES_MIN = 150;
/** Nouns of the log, and what happened to one of them. */
const ACTION = /'((?:account|invite|key|member|project|session|token|user)\.[a-z_]+)'/g;

/** Every action there is, and whether it only takes access away. Whoever adds one decides it here too. */
const IS_ENDING: Record<string, boolean> = {
  'account.created': false,
  'account.deletion_requested': true,
  'account.disabled': true,
  'account.enabled': false,
  'account.exported': false,
  'account.keys_reprojected': false,
  'account.plan_changed': false,
  'account.renamed': false,
  'account.restored': false,
  'account.switched_to': false,
  'invite.created': false,
  'invite.resent': false,
  'invite.revoked': true,
  'key.changed': false,
  'key.minted': false,
  'key.rehashed': false,
  'key.revoked': true,
  'member.joined': false,
  'member.left': true,
  'member.removed': true,
  'member.role_changed': false,
  'project.archived': false,
  'project.changed': false,
  'project.created': false,
  'project.restored': false,
  'session.others_revoked': true,
  'session.revoked': true,
  'token.created': false,
  'token.revoked': true,
  'user.email_verified': false,
  'user.identity_linked': false,
  'user.identity_unlinked': true,
  'user.password_changed': true,
  'user.password_reset': true,
  'user.renamed': false,
  'user.signed_in': false,
  'user.signed_up': false,
};

const ALL = [...ENDINGS, ...OTHER_ACTIONS];

describe('an action of the audit log (spec TL-1)', () => {
  it('is one that takes access away, which is never refused for its number, or is not', () => {
    expect(new Set(ALL).size).toBe(ALL.length);
    expect(Object.fromEntries(ALL.map((action) => [action, takesAway({ action })]))).toEqual(IS_ENDING);
  });

  it('is in the table if the source has it', async () => {
    const entries = await readdir(SOURCES, { recursive: true });
    const files = entries.filter((name) => /\.ts$/.test(name) && !/\.(spec|fixture)\.ts$/.test(name));
    expect(files.length).toBeGreaterThan(FILES_MIN);
    const table = 'audit/audit-actions.rules.ts';
    const texts = await Promise.all(
      files.filter((name) => name !== table).map((name) => readFile(new URL(name, SOURCES), 'utf8')),
    );
    const used = new Set(texts.flatMap((text) => [...text.matchAll(ACTION)].map(([, action]) => action as string)));
    // Both ways: one that nothing writes any more goes from the table.
    expect([...used].sort()).toEqual([...ALL].sort());
  });

  it('ends what it comes with if that is its subject, and of that only what takes access away', () => {
    const actionsOf = (kind: 'session' | 'token', id: string) =>
      ALL.filter((action) => endsItself({ action, subject: { kind: '', id } }, { kind, userId: 'user', credentialId: 'own' }));
    expect(actionsOf('session', 'own')).toEqual(['session.revoked']);
    expect(actionsOf('token', 'own')).toEqual(['token.revoked']);
    expect(actionsOf('session', 'user')).toEqual(['member.left', 'member.removed']);
    expect(actionsOf('token', 'user')).toEqual(['member.left', 'member.removed']);
    expect(actionsOf('session', 'another')).toEqual([]);
    const own = (['session', 'token'] as const).flatMap((kind) => [...actionsOf(kind, 'own'), ...actionsOf(kind, 'user')]);
    expect(own.filter((action) => !takesAway({ action }))).toEqual([]);
  });
});

describe('who was let in as an admin (TL-1)', () => {
  const credential = { kind: 'session', userId: 'user', credentialId: 'own', accountId: 'here', role: 'admin' } as const;
  const may = (memberRole: string | null, change: { accountId?: string; id?: string } = {}) => {
    const { accountId = 'here', id = 'x' } = change;
    return isStillAllowed({ accountId, action: 'member.role_changed', subject: { kind: 'user', id } }, credential, memberRole);
  };

  it('may make the change while that or more, and not once less, other, or gone', () => {
    expect(['admin', 'owner'].map((role) => may(role))).toEqual([true, true]);
    expect(['developer', 'billing', 'viewer', null].map((role) => may(role))).toEqual([false, false, false, false]);
  });

  it('may take a lesser role, and is asked for membership alone in another account', () => {
    expect([may('viewer', { id: 'user' }), may(null, { id: 'user' })]).toEqual([true, false]);
    expect([may('viewer', { accountId: 'there' }), may(null, { accountId: 'there' })]).toEqual([true, false]);
  });
});

describe('a change of role', () => {
  const isEnding = (from: unknown, to: unknown) => takesAway({ action: 'member.role_changed', details: { from, to } });

  it('takes access away if the new role may nothing that the old one may not', () => {
    expect([isEnding('owner', 'admin'), isEnding('admin', 'viewer'), isEnding('billing', 'viewer')]).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('gives access if it may something more, or if nothing is known of it', () => {
    expect([isEnding('viewer', 'admin'), isEnding('admin', 'billing'), isEnding('admin', 'admin')]).toEqual([
      false,
      false,
      false,
    ]);
    expect([isEnding('owner', 'unheard of'), isEnding(undefined, 'viewer')]).toEqual([false, false]);
  });
});
