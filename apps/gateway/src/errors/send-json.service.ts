import type { ServerResponse } from 'node:http';
import { type ApiError, isApiError } from './api-error.types.js';
import { sendError } from './send-error.service.js';

/** Where an answer goes, and the id that it carries. */
export interface Reply {
  res: ServerResponse;
  requestId: string;
}

/** Answers with JSON, or with the error that there is instead. */
export function sendJson({ res, requestId }: Reply, content: ApiError | object): void {
  const headers = { 'x-request-id': requestId };
  if (isApiError(content)) return sendError(res, content, headers);
  const body = Buffer.from(JSON.stringify(content));
  res.writeHead(200, { ...headers, 'content-type': 'application/json; charset=utf-8', 'content-length': body.length });
  res.end(body);
}
