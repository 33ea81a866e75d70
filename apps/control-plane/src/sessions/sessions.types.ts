import type { SESSION_METHODS } from '@tensorloop/contracts/api/sessions';

export type SessionMethod = (typeof SESSION_METHODS)[number];

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
