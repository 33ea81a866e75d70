import type { Role } from '@tensorloop/contracts/dashboard-api';

export interface StoredMember {
  userId: string;
  email: string;
  name: string;
  role: Role;
  joinedAt: Date;
}
