import { roleSchema } from '@tensorloop/contracts/dashboard-api';
import { outranks } from '../access/permission.types.js';

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
/** What may end the credential that it comes with. */
const SELF_ENDINGS = new Set<AuditAction>(['session.revoked', 'token.revoked', 'member.left', 'member.removed']);

/** Whether a change only takes access away: by its action, or of a role by what it was and what it becomes. */
export function takesAway({ action, details = {} }: { action: AuditAction; details?: Record<string, unknown> }): boolean {
  if (ENDING.has(action)) return true;
  if (action !== 'member.role_changed') return false;
  const [from, to] = [roleSchema.safeParse(details['from']), roleSchema.safeParse(details['to'])];
  return from.success && to.success && from.data !== to.data && outranks(from.data, to.data);
}

/** Whether the session or token of the request may be over by the change itself. */
export function mayEndItself(action: AuditAction): boolean {
  return SELF_ENDINGS.has(action);
}
