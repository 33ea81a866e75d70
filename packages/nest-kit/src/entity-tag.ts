import { createHash } from 'node:crypto';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { map, type Observable } from 'rxjs';
import { type DeclaredResponse, RESPONSE_METADATA, readDeclared } from './access.js';

const NOT_MODIFIED = 304;
/** Of a SHA-256 in base64url: 132 bits, so that two answers never share a tag. */
const HASH_LENGTH = 22;
const WEAK_PREFIX = /^W\//;

interface ReadRequest {
  method: string;
  headers: { 'if-none-match'?: string };
}

/** Both Express's response and Fastify's reply. */
interface TaggedReply {
  header(name: string, value: string): unknown;
  status(code: number): unknown;
}

/**
 * Tags the answers of reads, and 304 when the caller has the same one already. The tag is strong: it is made of the very
 * text that is sent, `"<hash>"`, or `"<version>.<hash>"` when the answer shows a version, so that the tag of a read can be
 * given back in If-Match. Answers to changes are tagged only when they show a version. Nothing is cached here: who may read
 * is asked, and the answer is made, every time. Register as APP_INTERCEPTOR before `ResponseSchemaInterceptor`.
 */
@Injectable()
export class EntityTagInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const declared = readDeclared<DeclaredResponse>(RESPONSE_METADATA, context.getHandler(), context.getClass());
    if (declared === undefined || 'raw' in declared) return next.handle();
    const request = context.switchToHttp().getRequest<ReadRequest>();
    const reply = context.switchToHttp().getResponse<TaggedReply>();
    return next.handle().pipe(map((body) => tag(body, request, reply)));
  }
}

function tag(body: unknown, request: ReadRequest, reply: TaggedReply): unknown {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const version = versionOf(body);
  if (!isRead && version === null) return body;
  const entityTag = entityTagOf(JSON.stringify(body), version);
  reply.header('etag', entityTag);
  if (!isRead || !isFresh(request.headers['if-none-match'], entityTag)) return body;
  reply.status(NOT_MODIFIED);
  return undefined;
}

export function entityTagOf(text: string, version: number | null): string {
  const hash = createHash('sha256').update(text).digest('base64url').slice(0, HASH_LENGTH);
  return version === null ? `"${hash}"` : `"${version}.${hash}"`;
}

/** If-None-Match compares weakly (RFC 9110 §13.1.2): a proxy that compressed the answer may have made the tag weak. */
export function isFresh(ifNoneMatch: string | undefined, entityTag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch.split(',').map((text) => text.trim().replace(WEAK_PREFIX, ''));
  return tags.includes('*') || tags.includes(entityTag);
}

function versionOf(body: unknown): number | null {
  const version = typeof body === 'object' && body !== null ? (body as { version?: unknown }).version : undefined;
  return Number.isInteger(version) ? (version as number) : null;
}
