import type { Principal } from '../access/principal.types.js';
import type { AuditAction } from './audit-actions.rules.js';

export type { AuditAction };

/** Who acted. `label` is what a reader is shown, as it was then: an address, a token's name. */
export interface AuditActor {
  kind: 'user' | 'token' | 'operator' | 'system';
  id: string | null;
  label: string;
}

/** What a change came with: it must still be good when the change is committed, and so must the role in the account, if it names one. */
export type AuditCredential = Pick<Principal, 'kind' | 'userId' | 'credentialId'> &
  Partial<Pick<Principal, 'accountId' | 'role'>>;

export interface AuditEvent {
  accountId: string;
  /** "key.minted": the noun, and what happened to it. */
  action: AuditAction;
  subject: { kind: string; id: string };
  /** What a reader must know to understand the change: before and after, never a secret. At most 8 kB as JSON. */
  details?: Record<string, unknown>;
  /** When it is not the caller of the request: a user who signs in, a job. */
  actor?: AuditActor;
  /** Where it is not the caller's of the request, who is looked at without being asked. */
  credential?: AuditCredential;
}
