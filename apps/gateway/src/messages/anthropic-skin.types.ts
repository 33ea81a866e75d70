import { isRecord } from '../body/json-body.types.js';
import type { ApiError } from '../errors/api-error.types.js';
import type { ErrorSkin } from '../errors/error-skin.types.js';

/** Anthropic's error types by status; its clients choose the class by the status and show the type. */
const TYPES: Record<number, string> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};
/** What an upstream of Anthropic's format said is passed on; `invalid_request_error` is also OpenAI's word for most refusals. */
const OWN_TYPES = new Set([...Object.values(TYPES), 'api_error']);

function typeOf({ status, body }: ApiError): string {
  // A spent budget is a 429 as a rate limit is, but waiting a moment does not help: clients tell the two apart by type (TL-8).
  if (body.error.code === 'insufficient_quota') return 'billing_error';
  if (OWN_TYPES.has(body.error.type)) return body.error.type;
  return TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
}

function bodyOf(error: ApiError, requestId: string): object {
  const { error: said, ...besides } = error.body;
  const { message, code, type: _type, param: _param, ...further } = said;
  const details = (further as { details?: unknown }).details;
  return {
    ...besides,
    type: 'error',
    error: {
      ...further,
      type: typeOf(error),
      message,
      details: { ...(isRecord(details) ? details : {}), error_code: code },
    },
    request_id: requestId,
  };
}

/** Errors as clients of Anthropic's API read them. */
export const ANTHROPIC_SKIN: ErrorSkin = {
  body: bodyOf,
  event: (error, requestId) => Buffer.from(`event: error\ndata: ${JSON.stringify(bodyOf(error, requestId))}\n\n`),
};
