import { describe, expect, it } from '@jest/globals';
import { ROLES } from '@tensorloop/contracts/dashboard-api';
import { isPermitted, outranks, PERMISSIONS, type Permission } from './permission.types.js';

describe('permissions', () => {
  it('lets an owner do everything', () => {
    for (const permission of Object.keys(PERMISSIONS) as Permission[]) expect(isPermitted('owner', permission)).toBe(true);
  });

  it('lets a viewer change nothing', () => {
    const allowed = (Object.keys(PERMISSIONS) as Permission[]).filter((permission) => isPermitted('viewer', permission));
    expect(allowed.length).toBeGreaterThan(0);
    for (const permission of allowed) expect(permission).toMatch(/:read$/);
  });

  it('lets nobody but an owner make owners', () => {
    for (const role of ROLES) expect(outranks(role, 'owner')).toBe(role === 'owner');
  });

  it('keeps an admin from handing out what the admin cannot do', () => {
    expect(outranks('admin', 'developer')).toBe(true);
    expect(outranks('admin', 'billing')).toBe(false);
  });
});
