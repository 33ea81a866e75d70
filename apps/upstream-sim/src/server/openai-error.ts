import type { OpenAiError } from '@tensorloop/contracts/openai-error';

/** An answer that is no success, before it is written: the HTTP status and what OpenAI's SDKs read from the body. */
export interface Failure {
  status: number;
  error: OpenAiError['error'];
}

export function invalidRequest(message: string, param: string | null, code: string | null = null): Failure {
  return { status: 400, error: { message, type: 'invalid_request_error', param, code } };
}

export function notFound(method: string, path: string): Failure {
  return {
    status: 404,
    error: { message: `Invalid URL (${method} ${path})`, type: 'invalid_request_error', param: null, code: 'unknown_url' },
  };
}

export function failureBody(failure: Failure): string {
  return `${JSON.stringify({ error: failure.error }, null, 2)}\n`;
}
