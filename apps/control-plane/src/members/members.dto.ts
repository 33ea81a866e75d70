import type { Member } from '@tensorloop/contracts/api/members';
import { uuid7Schema } from '@tensorloop/contracts/identity';
import { z } from 'zod';
import type { Principal } from '../access/principal.types.js';
import type { StoredMember } from './members.types.js';

export const memberParamsSchema = z.strictObject({ userId: uuid7Schema });
export type MemberParams = z.infer<typeof memberParamsSchema>;

export function toMember({ joinedAt, ...member }: StoredMember, { kind, userId }: Pick<Principal, 'kind' | 'userId'>): Member {
  return { ...member, joinedAt: joinedAt.toISOString(), isCurrent: kind === 'session' && member.userId === userId };
}
