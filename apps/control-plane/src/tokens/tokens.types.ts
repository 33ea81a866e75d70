import type { Role } from '@tensorloop/contracts/dashboard-api';

export interface StoredToken {
  id: string;
  accountId: string;
  name: string;
  preview: string;
  role: Role;
  createdBy: string;
  createdAt: Date;
  expiresAt: Date;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}

/** The member who made a token, as the member is now. Null = no member any more. */
export interface TokenCreator {
  email: string;
  role: Role;
  isDisabled: boolean;
}

export interface NewToken {
  id: string;
  tokenHash: string;
  name: string;
  preview: string;
  role: Role;
  createdBy: string;
  createdAt: Date;
  expiresAt: Date;
}

const MANAGEMENT_BEARER = /^bearer +(tlm_\S*)$/i;

/** The management token of an Authorization header, well-formed or not; null when the header carries none. */
export function readManagementBearer(authorization: string | undefined): string | null {
  return MANAGEMENT_BEARER.exec(authorization?.trim() ?? '')?.[1] ?? null;
}
