import { roleSchema } from '@tensorloop/contracts/dashboard-api';
import { outranks } from '../access/permission.types.js';
import type { AuditCredential, AuditEvent } from './audit.types.js';

/**
 * What takes access away: of a person, a session, a token, a key or a link, or one of the ways in. It is never refused for there
 * being too many changes, since there is no more of it than of what gave it. An action that is new belongs here or below.
 */
export const ENDINGS = [
  'account.deletion_requested',
  'account.disabled',
  'invite.revoked',
  'key.revoked',
  'member.left',
  'member.removed',
  'session.others_revoked',
  'session.revoked',
  'token.revoked',
  'user.identity_unlinked',
  'user.password_changed',
  'user.password_reset',
] as const;

/** What gives access, or leaves it as it is. */
export const OTHER_ACTIONS = [
  'account.created',
  'account.enabled',
  'account.exported',
  'account.keys_reprojected',
  'account.plan_changed',
  'account.renamed',
  'account.restored',
  'account.switched_to',
  'invite.created',
  // The link before opens nothing any more, and another one does.
  'invite.resent',
  // A budget that is lowered takes nothing from anybody that revoking the key would not; revoking is never refused.
  'key.changed',
  'key.minted',
  'key.rehashed',
  'member.joined',
  // Either: `takesAway` says of which kind it is.
  'member.role_changed',
  // Of a project that has no active key: it ends nobody's access.
  'project.archived',
  'project.changed',
  'project.created',
  'project.restored',
  'token.created',
  'user.email_verified',
  'user.identity_linked',
  'user.renamed',
  'user.signed_in',
  'user.signed_up',
] as const;

export type AuditAction = (typeof ENDINGS)[number] | (typeof OTHER_ACTIONS)[number];

const ENDING = new Set<AuditAction>(ENDINGS);

/** Whether a change only takes access away: by its action, or of a role by what it was and what it becomes. */
export function takesAway({ action, details = {} }: { action: AuditAction; details?: Record<string, unknown> }): boolean {
  if (ENDING.has(action)) return true;
  if (action !== 'member.role_changed') return false;
  const [from, to] = [roleSchema.safeParse(details['from']), roleSchema.safeParse(details['to'])];
  return from.success && to.success && from.data !== to.data && outranks(from.data, to.data);
}

/** What a change was let in with, and what it says of itself. */
type Change = Pick<AuditEvent, 'accountId' | 'action' | 'subject'>;

/** Whether a change ends the very credential or membership that it comes with: afterwards neither can be asked for. */
export function endsItself({ action, subject }: Pick<Change, 'action' | 'subject'>, credential: AuditCredential): boolean {
  const { kind, userId, credentialId } = credential;
  if (action === 'session.revoked' || action === 'token.revoked')
    return action === `${kind}.revoked` && subject.id === credentialId;
  return (action === 'member.left' || action === 'member.removed') && subject.id === userId;
}

/**
 * Whether somebody who is `memberRole` in the account now, or nobody, may still make a change that they were let in for: the role
 * may nothing less than the one that was looked at then. That was of the session's account, which an invitation that is accepted
 * is not of; and who takes a lesser role themselves has it already.
 */
export function isStillAllowed(change: Change, credential: AuditCredential, memberRole: string | null): boolean {
  const role = roleSchema.safeParse(memberRole);
  if (!role.success) return false;
  const isOwnRole = change.action === 'member.role_changed' && change.subject.id === credential.userId;
  if (credential.role === undefined || credential.accountId !== change.accountId || isOwnRole) return true;
  return outranks(role.data, credential.role);
}
