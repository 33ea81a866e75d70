import type { Role } from '@tensorloop/contracts/dashboard-api';

export interface StoredMember {
  userId: string;
  email: string;
  name: string;
  role: Role;
  joinedAt: Date;
  /** Grows by one with every change of the role: what If-Match compares. */
  version: number;
}
