import { type CallHandler, type ExecutionContext, Inject, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request } from 'express';
import { type Observable, tap } from 'rxjs';
import { currentPrincipal } from '../access/request-context.types.js';
import { LiveEvents } from './live-events.service.js';
import { kindsWritten } from './written-kinds.rules.js';

/**
 * Tells an account's listeners of every change that one of its members made here, once the route has answered, hence after its
 * COMMIT. One place for all routes: none can be forgotten.
 */
@Injectable()
export class ChangesInterceptor implements NestInterceptor {
  constructor(@Inject(LiveEvents) private readonly live: LiveEvents) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const { method, path } = context.switchToHttp().getRequest<Request>();
    const kinds = kindsWritten(method, path);
    const principal = currentPrincipal();
    if (kinds === null || principal === null) return next.handle();
    return next.handle().pipe(tap({ complete: () => this.live.publish(principal.accountId, ...kinds) }));
  }
}
