import type { SESSION_METHODS } from '@tensorloop/contracts/api/sessions';
import type { Identity } from '../users/users.types.js';

export type SessionMethod = (typeof SESSION_METHODS)[number];

/** How somebody proved to be a user: with Google, as whom Google knows them. */
export type SessionProof =
  | { method: Exclude<SessionMethod, 'google'> }
  | { method: 'google'; identity: Pick<Identity, 'issuer' | 'subject'> };

export interface SignedIn {
  /** For the cookie; nothing else ever sees it. */
  token: string;
  userId: string;
  accountId: string;
}

/** Somebody who has proven to be this user. */
export interface ProvenUser {
  id: string;
  email: string;
  /** As it was when the proof was checked. */
  passwordHash: string | null;
}
