import { createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import type { Role } from '@tensorloop/contracts/dashboard-api';

/** Who makes a request, and for which account. */
export interface Principal {
  userId: string;
  email: string;
  accountId: string;
  role: Role;
}

/** Roles that may mint and revoke keys. */
export const KEY_WRITERS: readonly Role[] = ['owner', 'admin', 'developer'];

const PRINCIPAL = Symbol('principal');
export const ROLES_METADATA = 'tensorloop:roles';

/** Restricts a route to members of these roles; without it every member may call it. */
export const Roles = (...roles: readonly Role[]) => SetMetadata(ROLES_METADATA, roles);

export function setPrincipal(request: object, principal: Principal): void {
  (request as { [PRINCIPAL]?: Principal })[PRINCIPAL] = principal;
}

/** The signed-in caller. Only on routes with `@Access('session')`. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const principal = context.switchToHttp().getRequest<{ [PRINCIPAL]?: Principal }>()[PRINCIPAL];
  if (principal === undefined) throw new Error(`${context.getHandler().name} takes a principal but does not require a session`);
  return principal;
});
