import { type CallHandler, type ExecutionContext, Inject, Injectable, type NestInterceptor } from '@nestjs/common';
import { problemStatus, toProblem } from '@tensorloop/nest-kit/problem';
import type { Request } from 'express';
import { type Observable, tap } from 'rxjs';
import { currentPrincipal } from '../access/request-context.types.js';
import { LiveEvents } from './live-events.service.js';
import { kindsWritten, mayBeSaved } from './written-kinds.rules.js';

/**
 * Tells an account's listeners of every change that one of its members made here, once the route has answered, hence after its
 * COMMIT. One place for all routes: none can be forgotten. What operators change is not of their own account, so their service
 * tells of it.
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
    const publish = () => this.live.publish(principal.accountId, ...kinds);
    return next
      .handle()
      .pipe(tap({ complete: publish, error: (err) => mayBeSaved(problemStatus(toProblem(err).kind)) && publish() }));
  }
}
