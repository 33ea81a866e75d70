import type { OpenAiError } from '@tensorloop/contracts/openai-error';
import type { Tags } from '@tensorloop/contracts/tags';

/**
 * Every refusal the inference surface can give, in one table: status and `error.type` follow from the code, so that two
 * call sites cannot disagree. `code` is what OpenAI's SDKs switch on; `type` is what the spec rows name (TL-3, TL-4, TL-5).
 */
const TABLE = {
  invalid_api_key: { status: 401, type: 'invalid_request_error' },
  wrong_surface: { status: 401, type: 'invalid_request_error' },
  invalid_body: { status: 400, type: 'invalid_request_error' },
  invalid_value: { status: 400, type: 'invalid_request_error' },
  missing_required_parameter: { status: 400, type: 'invalid_request_error' },
  unsupported_content: { status: 400, type: 'invalid_request_error' },
  context_length_exceeded: { status: 400, type: 'invalid_request_error' },
  request_too_large: { status: 413, type: 'invalid_request_error' },
  request_timeout: { status: 408, type: 'invalid_request_error' },
  expectation_failed: { status: 417, type: 'invalid_request_error' },
  headers_too_large: { status: 431, type: 'invalid_request_error' },
  unsupported_media_type: { status: 415, type: 'invalid_request_error' },
  model_not_allowed: { status: 403, type: 'invalid_request_error' },
  model_not_found: { status: 404, type: 'invalid_request_error' },
  model_not_priced: { status: 503, type: 'service_unavailable_error' },
  unknown_url: { status: 404, type: 'invalid_request_error' },
  method_not_allowed: { status: 405, type: 'invalid_request_error' },
  request_not_found: { status: 404, type: 'invalid_request_error' },
  request_lookup_unavailable: { status: 503, type: 'service_unavailable_error' },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error' },
  budget_held: { status: 429, type: 'rate_limit_error' },
  daily_limit_held: { status: 429, type: 'rate_limit_error' },
  balance_held: { status: 429, type: 'rate_limit_error' },
  parallel_limit_exceeded: { status: 429, type: 'rate_limit_error' },
  tokens_limit_exceeded: { status: 429, type: 'rate_limit_error' },
  insufficient_quota: { status: 429, type: 'budget_exceeded' },
  daily_limit_reached: { status: 402, type: 'daily_limit_reached' },
  insufficient_balance: { status: 402, type: 'insufficient_balance' },
  admission_unavailable: { status: 503, type: 'service_unavailable_error' },
  admission_state_unknown: { status: 503, type: 'service_unavailable_error' },
  key_lookup_unavailable: { status: 503, type: 'service_unavailable_error' },
  account_busy: { status: 503, type: 'service_unavailable_error' },
  overloaded: { status: 503, type: 'service_unavailable_error' },
  shutting_down: { status: 503, type: 'service_unavailable_error' },
  gateway_interrupted: { status: 503, type: 'service_unavailable_error' },
  journal_full: { status: 503, type: 'service_unavailable_error' },
  no_upstream: { status: 503, type: 'service_unavailable_error' },
  upstream_saturated: { status: 503, type: 'service_unavailable_error' },
  upstream_unavailable: { status: 503, type: 'service_unavailable_error' },
  upstream_unreachable: { status: 502, type: 'server_error' },
  upstream_timeout: { status: 504, type: 'server_error' },
  upstream_cut: { status: 502, type: 'server_error' },
  upstream_refused_gateway: { status: 502, type: 'server_error' },
  upstream_error: { status: 502, type: 'server_error' },
  internal_error: { status: 500, type: 'server_error' },
} as const satisfies Record<string, { status: number; type: string }>;

export type ApiErrorCode = keyof typeof TABLE;
export const API_ERROR_CODES = Object.keys(TABLE) as ApiErrorCode[];

/** Whose call was refused. It is for the account to see, and never sent. */
export interface RefusedCaller {
  accountId: string;
  keyId: string;
  /** As the client named it; null where the body could not be read. */
  model: string | null;
  /** What the call would have been attributed to. */
  projectId?: string;
  tags?: Tags;
}

/** A refusal ready to be sent: an expected outcome, so a value and never thrown. */
export interface ApiError {
  status: number;
  body: OpenAiError;
  headers: Record<string, string>;
  /** Where the key was known. */
  caller?: RefusedCaller;
}

interface ApiErrorDetail {
  param?: string;
  headers?: Record<string, string>;
}

export function apiError(code: ApiErrorCode, message: string, detail: ApiErrorDetail = {}): ApiError {
  const { status, type } = TABLE[code];
  return { status, body: { error: { message, type, param: detail.param ?? null, code } }, headers: detail.headers ?? {} };
}

/** A 503 that tells well-behaved clients when to come back. */
export function unavailable(code: ApiErrorCode, message: string, retryAfterSeconds: number): ApiError {
  return apiError(code, message, { headers: { 'retry-after': String(retryAfterSeconds) } });
}

export function isApiError(value: unknown): value is ApiError {
  return typeof value === 'object' && value !== null && 'status' in value && 'body' in value && 'headers' in value;
}
