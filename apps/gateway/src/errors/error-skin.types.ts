import type { ApiError } from './api-error.types.js';

/** How an API's clients read an error. The error itself (status, code, headers) is the same on every surface. */
export interface ErrorSkin {
  body(error: ApiError, requestId: string): object;
  /** As an event of a stream whose head has already gone out. */
  event(error: ApiError, requestId: string): Buffer;
}

export const OPENAI_SKIN: ErrorSkin = {
  body: (error) => error.body,
  event: (error) => Buffer.from(`data: ${JSON.stringify(error.body)}\n\n`),
};
