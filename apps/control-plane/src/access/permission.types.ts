import type { Role } from '@tensorloop/contracts/dashboard-api';

const EVERYBODY: readonly Role[] = ['owner', 'admin', 'developer', 'billing', 'viewer'];

/** Which role may do what in an account: the only place that says so. Routes name a permission, never roles. */
export const PERMISSIONS = {
  'account:read': EVERYBODY,
  'account:write': ['owner', 'admin'],
  'account:delete': ['owner'],
  'account:export': ['owner'],
  'plan:write': ['owner', 'billing'],
  'members:read': EVERYBODY,
  'members:write': ['owner', 'admin'],
  'keys:read': EVERYBODY,
  'keys:write': ['owner', 'admin', 'developer'],
  'projects:read': EVERYBODY,
  'projects:write': ['owner', 'admin'],
  'tokens:read': ['owner', 'admin', 'developer'],
  'tokens:write': ['owner', 'admin', 'developer'],
  'usage:read': EVERYBODY,
  'audit:read': ['owner', 'admin'],
} as const satisfies Record<string, readonly Role[]>;

export type Permission = keyof typeof PERMISSIONS;

export function isPermitted(role: Role, permission: Permission): boolean {
  return (PERMISSIONS[permission] as readonly Role[]).includes(role);
}

/** All that a role may do. */
export function permissionsOf(role: Role): Permission[] {
  return (Object.keys(PERMISSIONS) as Permission[]).filter((permission) => isPermitted(role, permission));
}

/** Whether whoever has `role` may give `other` to somebody, or take it away: nobody acts on what is above them. */
export function outranks(role: Role, other: Role): boolean {
  return permissionsOf(other).every((permission) => isPermitted(role, permission));
}
