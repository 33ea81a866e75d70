import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { Role } from '@tensorloop/contracts/dashboard-api';
import { AccessGuard, type AccessLevel, readDeclared } from '@tensorloop/nest-kit/access';
import type { Request } from 'express';
import { authProblems } from './auth.errors.js';
import { AuthService } from './auth.service.js';
import { ROLES_METADATA, setPrincipal } from './principal.types.js';
import { SessionCookie } from './session-cookie.js';

/** Denies by default. `session` is a live session of a member; a route's `@Roles` narrow it. */
@Injectable()
export class SessionGuard extends AccessGuard {
  constructor(
    @Inject(AuthService) private readonly auth: AuthService,
    @Inject(SessionCookie) private readonly cookie: SessionCookie,
  ) {
    super();
  }

  protected async authenticate(level: Exclude<AccessLevel, 'public'>, context: ExecutionContext): Promise<boolean> {
    // Inference keys open nothing here (spec TL-6).
    if (level !== 'session') return false;
    const request = context.switchToHttp().getRequest<Request>();
    const token = this.cookie.read(request);
    const principal = token === null ? null : await this.auth.authenticate(token);
    if (principal === null) throw authProblems.session_missing();
    const roles = readDeclared<readonly Role[]>(ROLES_METADATA, context.getHandler(), context.getClass());
    if (roles !== undefined && !roles.includes(principal.role)) throw authProblems.role_insufficient();
    setPrincipal(request, principal);
    return true;
  }
}
