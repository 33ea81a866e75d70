import type { IncomingHttpHeaders } from 'node:http';
import { type ApiError, apiError } from '../errors/api-error.types.js';
import type { Flaw } from '../routing/routing.types.js';
import type { UpstreamFailure } from '../upstreams/upstream.types.js';
import { parseEvent } from '../usage/usage-scanner.service.js';
import { extraFields, type Fields, fieldsOf } from './provider-fields.js';

/** Of an error body more is not read. */
export const ERROR_BODY_BYTES_MAX = 64 * 1024;
const MESSAGE_LENGTH_MAX = 2_000;
/** Errors of providers that name no number: Anthropic's by their type, OpenAI's by type or code. */
const STATUS_OF_WORD: Readonly<Record<string, number>> = { overloaded_error: 529, api_error: 500, server_error: 500 };
/** Provider keys and bearer values, as providers like to quote them back, and whatever is as long as a key. */
const SECRETS = new RegExp(
  [
    /\b(?:sk|rk|pk|org|proj|sess|gsk|xai|key)[-_][A-Za-z0-9*_-]{3,}/,
    // Words such as "token-based" have no digit.
    /\btoken[-_](?=[A-Za-z*_-]{0,64}\d)[A-Za-z0-9*_-]{3,}/,
    /\bAIza[A-Za-z0-9*_-]{3,}/,
    /\bBearer\s+\S+/,
    // Names of models and ids of requests have dashes, and are shorter than 40.
    /[A-Za-z0-9]{32,}|[A-Za-z0-9_-]{40,}/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
);
/** Who asks, in an address. */
const USERINFO = /(?<=:\/\/)[^\s/?#"'<>]*@/g;
/** What lets one in, in an address or a form. */
const QUERY_VALUES = /(?<=(?:key|token|sig|signature|secret|password)=)[^\s&#"'<>]+/gi;
/** Headers that tell a client when to come back; nothing else of an upstream's error head is passed on. */
const PASSED_HEADERS = ['retry-after', 'retry-after-ms', 'x-should-retry'];

export function scrubSecrets(text: string): string {
  const clean = text.replace(USERINFO, '[redacted]@').replace(QUERY_VALUES, '[redacted]');
  return clean.replace(SECRETS, '[redacted]').slice(0, MESSAGE_LENGTH_MAX);
}

const KNOWN_FIELDS = ['message', 'type', 'param', 'code'];
/** Where providers that know no error object say what is wrong. */
const SENTENCES = ['error', 'message', 'detail'];

interface UpstreamErrorBody {
  message: string | null;
  type: string | null;
  param: string | null;
  code: string | null;
  /** Fields of the error object that OpenAI's does not have. */
  details: Fields;
  /** Fields beside the error object. */
  besides: Fields;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? scrubSecrets(value) : null;
}

function parsed(body: Buffer): Fields {
  try {
    return fieldsOf(JSON.parse(body.toString('utf8')));
  } catch {
    // A proxy's HTML page or nothing at all: the status says what there is to say.
    return {};
  }
}

function readBody(body: Buffer): UpstreamErrorBody {
  const whole = parsed(body);
  const error = fieldsOf(whole.error);
  const sentence = SENTENCES.map((name) => textOrNull(whole[name])).find((text) => text !== null) ?? null;
  return {
    message: textOrNull(error.message) ?? sentence,
    type: textOrNull(error.type),
    param: textOrNull(error.param),
    code: textOrNull(error.code),
    details: extraFields(error, KNOWN_FIELDS, scrubSecrets),
    besides: extraFields(whole, SENTENCES, scrubSecrets),
  };
}

/**
 * An upstream's error as the client sees it: the same status in OpenAI's shape with whatever else the provider
 * said, all of it scrubbed. 401, 403 and 407 are about the
 * gateway's credentials and not the client's, and a redirect is nobody's answer: both become 502.
 */
export function upstreamError(status: number, headers: IncomingHttpHeaders, body: Buffer): ApiError {
  if (status === 401 || status === 403 || status === 407) {
    return apiError(
      'upstream_refused_gateway',
      'The provider refused the credentials of this gateway. Your key is fine; tell the operator of the gateway.',
    );
  }
  const error = apiError('upstream_error', `The provider answered with status ${status}.`, { headers: passedHeaders(headers) });
  if (status < 400 || status > 599) return error;
  const { message, type, param, code, details, besides } = readBody(body);
  const fallbackType = status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'server_error';
  return {
    ...error,
    status,
    body: {
      ...besides,
      error: {
        ...details,
        message: message ?? error.body.error.message,
        type: type ?? fallbackType,
        param,
        code: code ?? 'upstream_error',
      },
    },
  };
}

/** Some providers repeat the status that they mean in the error. */
function meantStatus({ status, code }: Fields): number | null {
  return [status, code].map(Number).find((number) => Number.isInteger(number) && number >= 400 && number <= 599) ?? null;
}

/** What an error that came under a status of 200 says of its provider. `said` is the answer, or the event within a stream. */
export function flawOf(said: Fields): Flaw {
  // OpenAI's `error` event of the Responses API is the error itself.
  const error = fieldsOf(said.error ?? fieldsOf(said.response).error ?? (said.type === 'error' ? said : undefined));
  const word = [error.type, error.code].map(String).find((name) => STATUS_OF_WORD[name] !== undefined);
  return meantStatus(error) ?? STATUS_OF_WORD[word ?? ''] ?? 'unclear';
}

/** An error as the whole answer, under a status of 200. */
export function reportedError(body: Buffer): { flaw: Flaw; error: ApiError } {
  const said = parsed(body);
  return { flaw: flawOf(said), error: upstreamError(meantStatus(fieldsOf(said.error)) ?? 502, {}, body) };
}

/** The same for an event within a stream. */
export function reportedFlaw(event: Buffer): Flaw {
  return flawOf(parseEvent(event) ?? {});
}

function passedHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of PASSED_HEADERS) {
    const value = headers[name];
    if (typeof value === 'string') passed[name] = value;
  }
  return passed;
}

/** No whole answer came: what the client is told. */
export function failureError(failure: UpstreamFailure): ApiError {
  if (failure === 'head_timeout' || failure === 'idle_timeout' || failure === 'connect_timeout') {
    return apiError('upstream_timeout', 'The provider did not answer in time. Nothing was charged.');
  }
  if (failure === 'connect_refused')
    return apiError('upstream_unreachable', 'The provider could not be reached. Nothing was charged.');
  return apiError('upstream_cut', 'The provider broke off its answer. Nothing was charged.');
}
