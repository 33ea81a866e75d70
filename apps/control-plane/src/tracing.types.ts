import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

/** Injection token of the service's `Tracing`. */
export const TRACING = Symbol('TRACING');

const TRACEPARENT = Symbol('traceparent');

interface Traced {
  [TRACEPARENT]?: string | undefined;
}

export function setTraceparent(request: object, traceparent: string | undefined): void {
  (request as Traced)[TRACEPARENT] = traceparent;
}

/** What continues this request's trace in another service; undefined when tracing is off. */
export const Traceparent = createParamDecorator(
  (_: unknown, context: ExecutionContext): string | undefined => context.switchToHttp().getRequest<Traced>()[TRACEPARENT],
);
