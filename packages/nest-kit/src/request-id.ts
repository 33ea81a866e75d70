import type { ServerResponse } from 'node:http';
import { uuid7 } from '@tensorloop/kernel/uuid7';

export const REQUEST_ID_HEADER = 'x-request-id';
const REQUEST_ID = Symbol('request id');

interface Identified {
  [REQUEST_ID]?: string;
}

/** The id of this request, minted at the first call. A caller's own `x-request-id` is never identity. */
export function requestIdOf(request: object): string {
  const identified = request as Identified;
  identified[REQUEST_ID] ??= uuid7();
  return identified[REQUEST_ID];
}

/** Express middleware: gives each request its id and returns it in `x-request-id`. Install before any parser. */
export function assignRequestId(request: object, response: ServerResponse, next: () => void): void {
  response.setHeader(REQUEST_ID_HEADER, requestIdOf(request));
  next();
}
