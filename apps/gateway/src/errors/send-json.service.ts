import type { ServerResponse } from 'node:http';
import { type ApiError, isApiError } from './api-error.types.js';
import { sendError } from './send-error.service.js';

/** Where an answer goes, and the id that it carries. */
export interface Reply {
  res: ServerResponse;
  requestId: string;
}

export interface JsonAnswer {
  content: object;
  headers: Record<string, string>;
}

/** Answers with JSON and these headers, or with the error that there is instead. */
export function sendJson({ res, requestId }: Reply, answer: ApiError | JsonAnswer): void {
  const headers = { 'x-request-id': requestId };
  if (isApiError(answer)) return sendError(res, answer, headers);
  const body = Buffer.from(JSON.stringify(answer.content));
  res.writeHead(200, {
    ...headers,
    ...answer.headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
  });
  res.end(body);
}
