import { Inject, Injectable } from '@nestjs/common';
import type { Member } from '@tensorloop/contracts/api/members';
import { type Page, type PageQuery, toPage } from '@tensorloop/contracts/api/pages';
import type { Role } from '@tensorloop/contracts/dashboard-api';
import { requireVersion } from '@tensorloop/nest-kit/if-match';
import type { Principal } from '../access/principal.types.js';
import { CURSORS } from '../pages/cursor.types.js';
import { toMember } from './members.dto.js';
import { type LockedMembers, MembersRepository } from './members.repository.js';
import { type MemberChange, type MemberRefusalCode, refuseRemoval, refuseRoleChange } from './members.rules.js';
import type { StoredMember } from './members.types.js';

type Refused = { outcome: 'not_found' } | { outcome: 'refused'; code: MemberRefusalCode };
export type RoleResult = Refused | { outcome: 'changed'; member: Member };
export type RemovalResult = Refused | { outcome: 'removed' };

@Injectable()
export class MembersService {
  constructor(@Inject(MembersRepository) private readonly repository: MembersRepository) {}

  async list(principal: Principal, { cursor, limit }: PageQuery): Promise<Page<Member>> {
    const rows = await this.repository.listMembers(principal.accountId, {
      after: CURSORS.members.read(cursor),
      limit: limit + 1,
    });
    return toPage(rows, limit, {
      cursorOf: ({ userId }) => CURSORS.members.write(userId),
      toItem: (member) => toMember(member, principal),
    });
  }

  async find(principal: Principal, userId: string): Promise<Member | null> {
    const member = await this.repository.findMember(principal.accountId, userId);
    return member === null ? null : toMember(member, principal);
  }

  /** Throws 412 when `seen` is another version than the membership's. */
  setRole(principal: Principal, userId: string, { role, seen }: { role: Role; seen: number | null }): Promise<RoleResult> {
    return this.repository.withLockedMembers(principal.accountId, async (members): Promise<RoleResult> => {
      const found = await describe(members, principal, userId);
      if (found === null) return { outcome: 'not_found' };
      const code = refuseRoleChange(found.change, role);
      if (code !== null) return { outcome: 'refused', code };
      const { target } = found;
      requireVersion(target.version, seen);
      const member = target.role === role ? target : await members.setRole(target, role);
      return { outcome: 'changed', member: toMember(member, principal) };
    });
  }

  /** Sessions of the member for this account are over with their next request, and tokens that the member made stop. */
  remove(principal: Principal, userId: string): Promise<RemovalResult> {
    return this.repository.withLockedMembers(principal.accountId, async (members): Promise<RemovalResult> => {
      const found = await describe(members, principal, userId);
      if (found === null) return { outcome: 'not_found' };
      const code = refuseRemoval(found.change);
      if (code !== null) return { outcome: 'refused', code };
      await members.remove(found.target, { isSelf: found.change.isSelf });
      return { outcome: 'removed' };
    });
  }
}

/** Null when there is no such member, or the actor is none any more, to whom nothing of the account is told. */
async function describe(
  members: LockedMembers,
  principal: Principal,
  userId: string,
): Promise<{ change: MemberChange; target: StoredMember } | null> {
  const [actor, target] = [await members.find(principal.userId), await members.find(userId)];
  if (actor === null || target === null) return null;
  // A script removes nobody by leaving: the token's maker leaves in person.
  const isSelf = principal.kind === 'session' && principal.userId === userId;
  return { change: { actorRoles: [principal.role, actor.role], isSelf, target, owners: members.owners }, target };
}
