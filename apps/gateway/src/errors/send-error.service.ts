import type { ServerResponse } from 'node:http';
import type { ApiError } from './api-error.types.js';

/** An error whose body wears the skin of the surface it goes out on; that of an `ApiError` itself is OpenAI's. */
export type SendableError = Omit<ApiError, 'body'> & { body: object };

/** Writes an error as the whole answer. `headers` are the call's own, x-request-id among them. */
export function sendError(res: ServerResponse, error: SendableError, headers: Record<string, string>): void {
  if (res.headersSent || res.destroyed) return;
  const body = Buffer.from(JSON.stringify(error.body));
  res.writeHead(error.status, {
    ...headers,
    ...error.headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
  });
  res.end(body);
}
