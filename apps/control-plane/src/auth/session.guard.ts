import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { AccessGuard, type AccessLevel, readDeclared } from '@tensorloop/nest-kit/access';
import type { Request } from 'express';
import { isPermitted, type Permission } from '../access/permission.types.js';
import { PERMISSION_METADATA, setPrincipal } from '../access/principal.types.js';
import { rememberPrincipal } from '../access/request-context.types.js';
import { OperatorAccessService } from '../operators/operator-access.service.js';
import { TokenAccessService } from '../tokens/token-access.service.js';
import { authProblems } from './auth.errors.js';
import { BrowserSession } from './browser-session.js';

const READING_METHODS = new Set(['GET', 'HEAD']);

/**
 * Denies by default. `session` and `account` take a live session of a member, `account` a management token as well (spec
 * TL-6); a route's `@Permit` narrows them.
 */
@Injectable()
export class SessionGuard extends AccessGuard {
  constructor(
    @Inject(BrowserSession) private readonly session: BrowserSession,
    @Inject(OperatorAccessService) private readonly operators: OperatorAccessService,
    @Inject(TokenAccessService) private readonly tokens: TokenAccessService,
  ) {
    super();
  }

  protected async authenticate(level: Exclude<AccessLevel, 'public'>, context: ExecutionContext): Promise<boolean> {
    // Inference keys open nothing here (spec TL-6).
    if (level !== 'session' && level !== 'account' && level !== 'operator') return false;
    const request = context.switchToHttp().getRequest<Request>();
    const principal =
      (await this.tokens.findPrincipal(request.headers.authorization, level)) ?? (await this.session.authenticate(request));
    if (level === 'operator') {
      const isChange = !READING_METHODS.has(request.method);
      const refusal = await this.operators.findRefusal(principal, isChange);
      if (refusal !== null) throw refusal;
    }
    if (principal === null) throw authProblems.session_missing();
    const permission = readDeclared<Permission>(PERMISSION_METADATA, context.getHandler(), context.getClass());
    if (permission !== undefined && !isPermitted(principal.role, permission)) throw authProblems.role_insufficient();
    setPrincipal(request, principal);
    rememberPrincipal(principal);
    return true;
  }
}
