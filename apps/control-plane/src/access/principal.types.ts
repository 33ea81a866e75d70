import { createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import type { Role } from '@tensorloop/contracts/dashboard-api';
import type { Permission } from './permission.types.js';

/** Who makes a request, and for which account. */
export interface Principal {
  /** A browser's session, or a management token of a script. */
  kind: 'session' | 'token';
  /** The user; of a token the member who made it. */
  userId: string;
  email: string;
  accountId: string;
  /** What the request may do: the member's role, or the narrower one of the token. */
  role: Role;
  /** Session or token: what lists and revocations call it. */
  credentialId: string;
  /** As the audit log names who acted: an address, or a token's name. */
  label: string;
}

const PRINCIPAL = Symbol('principal');
export const PERMISSION_METADATA = 'tensorloop:permission';

/** Restricts a route to roles that have this permission. A route of an account without it is a personal one. */
export const Permit = (permission: Permission) => SetMetadata(PERMISSION_METADATA, permission);

export function setPrincipal(request: object, principal: Principal): void {
  (request as { [PRINCIPAL]?: Principal })[PRINCIPAL] = principal;
}

/** The caller. Only on routes with `@Access('session')` or `@Access('account')`. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const principal = context.switchToHttp().getRequest<{ [PRINCIPAL]?: Principal }>()[PRINCIPAL];
  if (principal === undefined) throw new Error(`${context.getHandler().name} takes a principal but does not require one`);
  return principal;
});
