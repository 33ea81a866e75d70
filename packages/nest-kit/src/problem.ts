import { HttpStatus } from '@nestjs/common';

/** What went wrong, from the caller's point of view. Status and log level follow from it here and nowhere else. */
const KINDS = {
  invalid_input: { status: HttpStatus.BAD_REQUEST, title: 'Invalid input', logLevel: 'debug' },
  unauthenticated: { status: HttpStatus.UNAUTHORIZED, title: 'Not signed in', logLevel: 'info' },
  payment_required: { status: HttpStatus.PAYMENT_REQUIRED, title: 'Payment required', logLevel: 'info' },
  forbidden: { status: HttpStatus.FORBIDDEN, title: 'Not allowed', logLevel: 'info' },
  not_found: { status: HttpStatus.NOT_FOUND, title: 'Not found', logLevel: 'debug' },
  method_not_allowed: { status: HttpStatus.METHOD_NOT_ALLOWED, title: 'Method not allowed', logLevel: 'debug' },
  conflict: { status: HttpStatus.CONFLICT, title: 'Conflict', logLevel: 'info' },
  too_large: { status: HttpStatus.PAYLOAD_TOO_LARGE, title: 'Too large', logLevel: 'info' },
  precondition_failed: { status: HttpStatus.PRECONDITION_FAILED, title: 'Changed since it was read', logLevel: 'info' },
  unprocessable: { status: HttpStatus.UNPROCESSABLE_ENTITY, title: 'Cannot be carried out', logLevel: 'info' },
  unsupported_media_type: { status: HttpStatus.UNSUPPORTED_MEDIA_TYPE, title: 'Unsupported media type', logLevel: 'debug' },
  limit_reached: { status: HttpStatus.UNPROCESSABLE_ENTITY, title: 'Limit reached', logLevel: 'info' },
  rate_limited: { status: HttpStatus.TOO_MANY_REQUESTS, title: 'Too many requests', logLevel: 'info' },
  unavailable: { status: HttpStatus.SERVICE_UNAVAILABLE, title: 'Temporarily unavailable', logLevel: 'warn' },
  internal: { status: HttpStatus.INTERNAL_SERVER_ERROR, title: 'Internal error', logLevel: 'error' },
} as const;

export type ProblemKind = keyof typeof KINDS;

export interface ProblemDefinition {
  kind: ProblemKind;
  /** Public text, shown to the caller as it stands. */
  text: string;
}

/** One field that was not accepted. `pointer` is a JSON pointer (RFC 6901) into the body or the query. */
export interface FieldError {
  pointer: string;
  message: string;
}

export interface ProblemDetails {
  /** Public text for this occurrence, instead of the table's. */
  detail?: string;
  errors?: FieldError[];
  headers?: Record<string, string>;
  /** For the log only. */
  cause?: unknown;
}

/** A refusal with a stable code. Thrown at the edge; across processes only the code counts. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly kind: ProblemKind;
  /** Public text. */
  readonly detail: string;
  readonly errors: FieldError[] | undefined;
  readonly headers: Record<string, string>;

  constructor(
    readonly code: string,
    definition: ProblemDefinition,
    details: ProblemDetails = {},
  ) {
    super(`${code}: ${details.detail ?? definition.text}`, { cause: details.cause });
    this.kind = definition.kind;
    this.detail = details.detail ?? definition.text;
    this.errors = details.errors;
    this.headers = details.headers ?? {};
  }
}

/** Makes the problem to throw. What it is can be read from it too, for the API's description. */
export interface ProblemFactory {
  (details?: ProblemDetails): ProblemError;
  readonly code: string;
  readonly definition: ProblemDefinition;
}

export type ProblemTable<Code extends string> = Readonly<Record<Code, ProblemFactory>>;

/** Every problem of the process, in the order of the tables: there is a page about each. */
const DEFINED: ProblemFactory[] = [];

export function definedProblems(): readonly ProblemFactory[] {
  return DEFINED;
}

/**
 * A feature's table of errors: `const problems = defineProblems({ key_not_found: { kind: 'not_found', text: '…' } })`,
 * then `throw problems.key_not_found()`.
 */
export function defineProblems<Code extends string>(definitions: Record<Code, ProblemDefinition>): ProblemTable<Code> {
  const entries = Object.entries<ProblemDefinition>(definitions).map(([code, definition]) => {
    const make = (details?: ProblemDetails) => new ProblemError(code, definition, details);
    const factory: ProblemFactory = Object.assign(make, { code, definition });
    DEFINED.push(factory);
    return [code, factory];
  });
  return Object.fromEntries(entries) as ProblemTable<Code>;
}

/** Problems that belong to no feature. */
export const generalProblems = defineProblems({
  invalid_request: { kind: 'invalid_input', text: 'The request is not valid.' },
  unauthenticated: { kind: 'unauthenticated', text: 'Sign in to continue.' },
  forbidden: { kind: 'forbidden', text: 'This is not allowed.' },
  not_found: { kind: 'not_found', text: 'There is nothing here.' },
  method_not_allowed: { kind: 'method_not_allowed', text: 'This method is not supported here.' },
  body_too_large: { kind: 'too_large', text: 'The request body is too large.' },
  unsupported_media_type: { kind: 'unsupported_media_type', text: 'Send the body as application/json.' },
  precondition_failed: {
    kind: 'precondition_failed',
    text: 'This has changed since you read it. Read it again, and repeat the change on what you find.',
  },
  too_many_requests: { kind: 'rate_limited', text: 'Too many requests; try again later.' },
  unavailable: { kind: 'unavailable', text: 'This is temporarily unavailable; try again shortly.' },
  internal_error: { kind: 'internal', text: 'Something went wrong on our side.' },
});

export function problemStatus(kind: ProblemKind): number {
  return KINDS[kind].status;
}

export function problemTitle(kind: ProblemKind): string {
  return KINDS[kind].title;
}

export function problemLogLevel(kind: ProblemKind): 'debug' | 'info' | 'warn' | 'error' {
  return KINDS[kind].logLevel;
}

const GENERAL_BY_STATUS: ReadonlyMap<number, ProblemFactory> = new Map([
  [HttpStatus.BAD_REQUEST, generalProblems.invalid_request],
  [HttpStatus.UNAUTHORIZED, generalProblems.unauthenticated],
  [HttpStatus.FORBIDDEN, generalProblems.forbidden],
  [HttpStatus.NOT_FOUND, generalProblems.not_found],
  [HttpStatus.METHOD_NOT_ALLOWED, generalProblems.method_not_allowed],
  [HttpStatus.PAYLOAD_TOO_LARGE, generalProblems.body_too_large],
  [HttpStatus.UNSUPPORTED_MEDIA_TYPE, generalProblems.unsupported_media_type],
  [HttpStatus.TOO_MANY_REQUESTS, generalProblems.too_many_requests],
  [HttpStatus.SERVICE_UNAVAILABLE, generalProblems.unavailable],
]);

/**
 * The problem for anything thrown. Errors of the framework and its parsers are known by their status alone: their texts
 * name internals. Whatever else is thrown is an internal error.
 */
export function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  const unreadable = unreadableBody(error);
  if (unreadable !== null) return unreadable;
  const status = statusOf(error);
  const known = status === null ? undefined : GENERAL_BY_STATUS.get(status);
  if (known !== undefined) return known({ cause: error });
  const isClientError = status !== null && status >= HttpStatus.BAD_REQUEST && status < HttpStatus.INTERNAL_SERVER_ERROR;
  return isClientError ? generalProblems.invalid_request({ cause: error }) : generalProblems.internal_error({ cause: error });
}

/**
 * A body that the parser of Express or Fastify gave up on, by the parser's own mark: `type` of body-parser, `code` of
 * Fastify. Nest wraps those of Express.
 */
function unreadableBody(error: unknown): ProblemError | null {
  const { type, code, limit } = parserErrorOf(error);
  switch (type ?? code) {
    case 'entity.parse.failed':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return generalProblems.invalid_request({ cause: error, detail: 'The body is not valid JSON.' });
    case 'entity.too.large': {
      const detail = `The request body is too large; at most ${Number(limit)} bytes are accepted.`;
      return generalProblems.body_too_large({ cause: error, detail });
    }
    case 'charset.unsupported':
      return generalProblems.unsupported_media_type({ cause: error, detail: 'Send the body in UTF-8.' });
    default:
      return null;
  }
}

interface ParserError {
  type?: unknown;
  code?: unknown;
  limit?: unknown;
  cause?: unknown;
}

function parserErrorOf(error: unknown): ParserError {
  if (typeof error !== 'object' || error === null) return {};
  const { cause } = error as ParserError;
  return typeof cause === 'object' && cause !== null ? cause : error;
}

function statusOf(error: unknown): number | null {
  if (typeof error !== 'object' || error === null) return null;
  const { getStatus, statusCode, status } = error as { getStatus?: unknown; statusCode?: unknown; status?: unknown };
  const value = typeof getStatus === 'function' ? (getStatus.call(error) as unknown) : (statusCode ?? status);
  return typeof value === 'number' ? value : null;
}
