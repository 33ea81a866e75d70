import {
  type ArgumentMetadata,
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  StandardSchemaValidationPipe,
} from '@nestjs/common';
import { mergeMap, type Observable } from 'rxjs';
import { type DeclaredResponse, OTHER_ANSWER_METADATA, type OtherAnswer, RESPONSE_METADATA, readDeclared } from './access.js';
import { fieldMessage } from './field-message.js';
import { type FieldError, generalProblems } from './problem.js';

type Issues = Parameters<
  NonNullable<NonNullable<ConstructorParameters<typeof StandardSchemaValidationPipe>[0]>['exceptionFactory']>
>[0];

/** Reported field errors per request; a body of a million mistakes must not become an answer of a million lines. */
const FIELD_ERRORS_MAX = 50;

/**
 * Validates what `@Body({ schema })`, `@Query({ schema })` and `@Param({ schema })` declare, and hands on the parsed value.
 * Register as APP_PIPE. What declares no schema passes unchecked, in Nest as here: `walkRoutes` finds such routes.
 */
@Injectable()
export class ValidationPipe implements PipeTransform {
  private readonly pipe = new StandardSchemaValidationPipe({ exceptionFactory: (issues) => new InvalidValue(issues) });

  async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    try {
      return await this.pipe.transform(value, metadata);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      const base = metadata.data === undefined ? [] : [metadata.data];
      throw generalProblems.invalid_request({ errors: toFieldErrors(error.issues, base) });
    }
  }
}

class InvalidValue extends Error {
  constructor(readonly issues: Issues) {
    super('invalid value');
  }
}

function toFieldErrors(issues: Issues, base: readonly string[]): FieldError[] {
  return issues.slice(0, FIELD_ERRORS_MAX).map((issue) => {
    const path = (issue.path ?? []).map((segment) => String(typeof segment === 'object' ? segment.key : segment));
    return { pointer: toPointer([...base, ...path]), message: fieldMessage(issue) };
  });
}

/** JSON pointer (RFC 6901 §3): "~" and "/" inside a name are escaped. The empty pointer is the whole value. */
export function toPointer(path: readonly string[]): string {
  return path.map((segment) => `/${segment.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/**
 * Sends only what the route's `@ResponseSchema` describes, or its `@AlsoAnswers` under that status: fields it does not know are dropped, and an answer that does not
 * fit is our own error (500), never a leak. A route that declares nothing cannot answer at all. Register as APP_INTERCEPTOR.
 */
@Injectable()
export class ResponseSchemaInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const declared = readDeclared<DeclaredResponse>(RESPONSE_METADATA, context.getHandler(), context.getClass());
    if (declared === undefined)
      throw new Error(`${context.getClass().name}.${context.getHandler().name} declares no response schema`);
    if ('raw' in declared) return next.handle();
    const other = readDeclared<OtherAnswer>(OTHER_ANSWER_METADATA, context.getHandler(), context.getClass());
    const reply = context.switchToHttp().getResponse<{ statusCode: number }>();
    return next.handle().pipe(
      mergeMap((body) => {
        const { schema } = other !== undefined && reply.statusCode === other.status ? other : declared;
        return schema.parseAsync(body);
      }),
    );
  }
}
