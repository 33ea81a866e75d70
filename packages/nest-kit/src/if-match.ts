import type { IncomingHttpHeaders } from 'node:http';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { generalProblems } from './problem.js';

/** On handlers that take `@IfMatch()`. */
export const IF_MATCH_METADATA = 'tensorloop:if-match';

/** `"3"` or `"3.dGhlIGhhc2g"`: a version, and the hash of one answer that showed it. */
const ENTITY_TAG = /^"(\d{1,9})(?:\.[\w-]*)?"$/;

/**
 * The version of a resource that the caller saw, out of If-Match; null when the header is absent or "*", and then the change
 * is made whatever came between. The entity tag of any answer that shows the resource will do, since only the version in
 * front of its "." counts: what somebody spent meanwhile is no reason to refuse a new name.
 */
export function versionOfIfMatch(header: string | undefined): number | null {
  const text = header?.trim() ?? '*';
  if (text === '*') return null;
  const version = ENTITY_TAG.exec(text)?.[1];
  if (version !== undefined) return Number(version);
  const detail = 'If-Match takes one entity tag as answers carry it in ETag, such as "3.hash", or "3" for version 3.';
  throw generalProblems.invalid_request({ detail });
}

/** Throws 412 when the caller saw another version than there is now. Call it where the row is locked. */
export function requireVersion(current: number, seen: number | null): void {
  if (seen !== null && seen !== current) throw generalProblems.precondition_failed();
}

const SeenVersion = createParamDecorator((_: unknown, context: ExecutionContext): number | null =>
  versionOfIfMatch(context.switchToHttp().getRequest<{ headers: IncomingHttpHeaders }>().headers['if-match']),
);

/** The version that a change is meant for (`versionOfIfMatch`), for `requireVersion` beside the lock. */
export function IfMatch(): ParameterDecorator {
  return (prototype, name, index) => {
    if (name !== undefined)
      Reflect.defineMetadata(IF_MATCH_METADATA, true, (prototype as Record<string | symbol, object>)[name] as object);
    SeenVersion()(prototype, name, index);
  };
}
