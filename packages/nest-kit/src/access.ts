import { type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import type { z } from 'zod';

/**
 * Who may call a route. `public` = anyone; the others name what the caller must present: a person's session, a credential of
 * an account (session or management token), an operator's session, an inference key.
 */
export const ACCESS_LEVELS = ['public', 'session', 'account', 'operator', 'key'] as const;
export type AccessLevel = (typeof ACCESS_LEVELS)[number];

export const ACCESS_METADATA = 'tensorloop:access';
export const RESPONSE_METADATA = 'tensorloop:response';
export const OTHER_ANSWER_METADATA = 'tensorloop:other-answer';

/** Declares who may call the route, or every route of the controller. A route without it is refused. */
export const Access = (level: AccessLevel) => SetMetadata(ACCESS_METADATA, level);

/** What a route answers with: a schema, or the stated reason why its body has none (a redirect, a text, a stream). */
export type DeclaredResponse = { schema: z.ZodType } | { raw: string; mediaTypes: readonly string[] };

/** Declares the body of the route's successful answer. Fields the schema does not know are removed before sending. */
export const ResponseSchema = (schema: z.ZodType) => SetMetadata(RESPONSE_METADATA, { schema } satisfies DeclaredResponse);

/** Declares that the route's answer is not JSON of a schema, and why; and of what types it may be, where it has a body. */
export const RawResponse = (reason: string, ...mediaTypes: readonly string[]) =>
  SetMetadata(RESPONSE_METADATA, { raw: reason, mediaTypes } satisfies DeclaredResponse);

/** The handler's own declaration, else its controller's. */
export function readDeclared<Value>(metadataKey: string, handler: object, controller: object): Value | undefined {
  return Reflect.getMetadata(metadataKey, handler) ?? Reflect.getMetadata(metadataKey, controller);
}

export interface OtherAnswer {
  status: number;
  schema: z.ZodType;
}

/** Declares a second successful answer, beside `@ResponseSchema`: that of a handler which sets this status on the response. */
export const AlsoAnswers = (status: number, schema: z.ZodType) =>
  SetMetadata(OTHER_ANSWER_METADATA, { status, schema } satisfies OtherAnswer);

/**
 * Guard that denies by default: a route that declares nothing is refused to everyone. An app extends it with what `session`
 * or `key` mean there, and registers it as APP_GUARD.
 */
@Injectable()
export abstract class AccessGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    // Messages between services carry no user; NATS permissions decide who may send them.
    if (context.getType() !== 'http') return true;
    const level = readDeclared<AccessLevel>(ACCESS_METADATA, context.getHandler(), context.getClass());
    if (level === undefined) return false;
    if (level === 'public') return true;
    return this.authenticate(level, context);
  }

  /** True when the caller presents what `level` asks for. May throw a problem that says more than "forbidden". */
  protected abstract authenticate(level: Exclude<AccessLevel, 'public'>, context: ExecutionContext): Promise<boolean>;
}
