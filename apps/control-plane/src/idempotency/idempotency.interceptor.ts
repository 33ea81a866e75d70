import { type CallHandler, type ExecutionContext, Inject, Injectable, type NestInterceptor } from '@nestjs/common';
import { readDeclared } from '@tensorloop/nest-kit/access';
import { IDEMPOTENT_METADATA } from '@tensorloop/nest-kit/idempotent';
import type { Request, Response } from 'express';
import { lastValueFrom, type Observable, of } from 'rxjs';
import type { Principal } from '../access/principal.types.js';
import { currentPrincipal } from '../access/request-context.types.js';
import { idempotencyProblems } from './idempotency.errors.js';
import { hashBody, isIdempotencyKey, routeName } from './idempotency.rules.js';
import { IdempotencyService } from './idempotency.service.js';
import type { IdempotentRequest } from './idempotency.types.js';

const KEY_HEADER = 'idempotency-key';
export const REPLAYED_HEADER = 'idempotency-replayed';

/** What `@Idempotent()` promises. Without the header a route works as any other. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(@Inject(IdempotencyService) private readonly idempotency: IdempotencyService) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    if (context.getType() !== 'http') return next.handle();
    if (!readDeclared<boolean>(IDEMPOTENT_METADATA, context.getHandler(), context.getClass())) return next.handle();
    const req = context.switchToHttp().getRequest<Request>();
    const key = req.headers[KEY_HEADER];
    if (key === undefined) return next.handle();
    if (!isIdempotencyKey(key)) throw idempotencyProblems.idempotency_key_invalid();
    const principal = currentPrincipal();
    if (principal === null) throw new Error(`${req.path} is idempotent but anybody may call it`);
    const found = await this.idempotency.reserve(toRequest(req, key, principal));
    const res = context.switchToHttp().getResponse<Response>();
    if ('reservedAt' in found) {
      // The route's own, which Nest has set by now.
      const carried = { reservation: found, status: res.statusCode };
      return of(await this.idempotency.carryOut(carried, () => lastValueFrom(next.handle())));
    }
    res.status(found.status).setHeader(REPLAYED_HEADER, 'true');
    return of(found.body);
  }
}

function toRequest(req: Request, key: string, { kind, accountId, userId, credentialId }: Principal): IdempotentRequest {
  const actorId = kind === 'token' ? credentialId : userId;
  const { path: pattern } = req.route as { path: string };
  const route = routeName(req.method, pattern, req.params);
  return { accountId, actorId, route, key, bodyHash: hashBody(req.body) };
}
