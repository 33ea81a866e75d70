import type { Role } from '@tensorloop/contracts/dashboard-api';
import { isPermitted, outranks } from '../access/permission.types.js';

export type MemberRefusalCode = 'member_above_role' | 'role_above_own' | 'last_owner' | 'not_permitted';

export interface MemberChange {
  /** Roles that the actor's request may use: as it was signed in, and as the actor is a member now. */
  actorRoles: readonly Role[];
  isSelf: boolean;
  target: { role: Role };
  /** Owners of the account, the target among them. */
  owners: number;
}

/** Why the role cannot be changed, or null. Nobody acts on what is above them, and an account always has an owner. */
export function refuseRoleChange(change: MemberChange, wanted: Role): MemberRefusalCode | null {
  if (!allOutrank(change.actorRoles, change.target.role)) return 'member_above_role';
  if (!allOutrank(change.actorRoles, wanted)) return 'role_above_own';
  return wanted === 'owner' ? null : refuseLosingOwner(change);
}

/** Why the member cannot be removed, or null. Everybody may leave. */
export function refuseRemoval(change: MemberChange): MemberRefusalCode | null {
  if (!change.isSelf) {
    if (!change.actorRoles.every((role) => isPermitted(role, 'members:write'))) return 'not_permitted';
    if (!allOutrank(change.actorRoles, change.target.role)) return 'member_above_role';
  }
  return refuseLosingOwner(change);
}

function refuseLosingOwner({ target, owners }: MemberChange): MemberRefusalCode | null {
  return target.role === 'owner' && owners <= 1 ? 'last_owner' : null;
}

function allOutrank(roles: readonly Role[], other: Role): boolean {
  return roles.every((role) => outranks(role, other));
}
