import { describe, expect, it } from '@jest/globals';
import type { Role } from '@tensorloop/contracts/dashboard-api';
import { refuseRemoval, refuseRoleChange } from './members.rules.js';

function change(actor: Role, target: Role, more: { owners?: number; isSelf?: boolean; now?: Role } = {}) {
  const { owners = 2, isSelf = false, now = actor } = more;
  return { actorRoles: [actor, now], target: { role: target }, owners, isSelf };
}

describe('changing a role', () => {
  it('is for those who have everything that the member has and gets', () => {
    expect(refuseRoleChange(change('owner', 'viewer'), 'owner')).toBeNull();
    expect(refuseRoleChange(change('admin', 'viewer'), 'developer')).toBeNull();
    expect(refuseRoleChange(change('admin', 'viewer'), 'owner')).toBe('role_above_own');
    expect(refuseRoleChange(change('admin', 'owner'), 'viewer')).toBe('member_above_role');
    expect(refuseRoleChange(change('admin', 'billing'), 'viewer')).toBe('member_above_role');
  });

  it('goes by what the actor is now, not by what the actor was when the request came', () => {
    expect(refuseRoleChange(change('owner', 'owner', { now: 'viewer' }), 'viewer')).toBe('member_above_role');
  });

  it('never leaves an account without an owner', () => {
    expect(refuseRoleChange(change('owner', 'owner', { owners: 1 }), 'admin')).toBe('last_owner');
    expect(refuseRoleChange(change('owner', 'owner', { owners: 1 }), 'owner')).toBeNull();
  });
});

describe('removing a member', () => {
  it('is for those who may, of those who are not above them', () => {
    expect(refuseRemoval(change('admin', 'developer'))).toBeNull();
    expect(refuseRemoval(change('developer', 'viewer'))).toBe('not_permitted');
    expect(refuseRemoval(change('admin', 'owner'))).toBe('member_above_role');
  });

  it('is for everybody of themselves, but for the last owner', () => {
    expect(refuseRemoval(change('viewer', 'viewer', { isSelf: true }))).toBeNull();
    expect(refuseRemoval(change('owner', 'owner', { isSelf: true, owners: 1 }))).toBe('last_owner');
    expect(refuseRemoval(change('owner', 'owner', { isSelf: true, owners: 2 }))).toBeNull();
  });
});
