import type { IncomingHttpHeaders } from 'node:http';
import { normaliseAnthropicUsage } from '@tensorloop/pricing/anthropic-usage';
import { type BearerKey, readBearer, readKeyText } from '../auth/bearer.service.js';
import { invalidField } from '../body/json-body.types.js';
import { upstreamBody } from '../body/upstream-body.service.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import type { Endpoint, InferenceRequest } from '../proxy/endpoint.types.js';
import type { AnswerReading } from '../usage/answer-reading.types.js';
import { readJsonAnswer } from '../usage/usage-reading.service.js';
import { ANTHROPIC_SKIN } from './anthropic-skin.types.js';
import { betaProblem, readMessagesRequest } from './messages-request.js';
import { MessagesScanner } from './messages-scanner.types.js';

/** Headers of these names reach the provider, whatever it makes of them. */
const PASSED_PREFIX = 'anthropic-';
/** But not those that choose in whose name the gateway's credential is used, hence who is billed. */
const OWNER_HEADERS = /-(organization|workspace|user-profile|account)(-id)?$/;
const HEADERS_MAX = 32;
/** What the gateway itself reads or a provider's version parser does; the others only have to be printable. */
const STRICT_VALUE = /^[\w.:, -]{1,1024}$/;
const STRICT_HEADERS = new Set(['anthropic-version', 'anthropic-beta']);
const HEADER_VALUE = /^[\x20-\x7e]{1,1024}$/;

const READING: AnswerReading = {
  readWhole: readJsonAnswer,
  newScanner: () => new MessagesScanner(),
  normalise: normaliseAnthropicUsage,
  textFormat: 'messages',
  heartbeat: Buffer.from('event: ping\ndata: {"type": "ping"}\n\n'),
};

/** `POST /v1/messages`: Anthropic's own format, passed through to its own API. */
export const messages: Endpoint = {
  name: 'messages',
  path: '/messages',
  title: 'messages',
  skin: ANTHROPIC_SKIN,
  requestIdHeader: 'request-id',
  readKey: readAnthropicKey,
  read(body, headers): InferenceRequest | ApiError {
    const upstreamHeaders = passedHeaders(headers);
    if (isApiError(upstreamHeaders)) return upstreamHeaders;
    const request = readMessagesRequest(body);
    if (isApiError(request)) return request;
    const { model, stream, maxTokens, shape, fields } = request;
    return {
      model,
      stream,
      maxTokens,
      shape,
      predictionBytes: 0,
      // `max_tokens` is the client's own, so the hold is exact and there is never a clamp to apply.
      bodyFor: (deployment) => upstreamBody(body, fields, [['model', deployment.upstreamModel]]),
      upstreamHeaders,
      reading: READING,
    };
  },
};

/** The key as Anthropic's clients send it (`x-api-key`), or as all others do. */
export function readAnthropicKey(headers: IncomingHttpHeaders): BearerKey | ApiError {
  const own = headers['x-api-key'];
  return typeof own === 'string' && own !== ''
    ? readKeyText(own, 'x-api-key')
    : readBearer(headers.authorization, headers.cookie);
}

/** The client's `anthropic-*` headers for the provider, or what is wrong with one of them. */
export function passedHeaders(headers: IncomingHttpHeaders): Record<string, string> | ApiError {
  const passed: Record<string, string> = {};
  let count = 0;
  for (const name in headers) {
    if (!name.startsWith(PASSED_PREFIX) || OWNER_HEADERS.test(name)) continue;
    const value = String(headers[name]);
    const isWellFormed = (STRICT_HEADERS.has(name) ? STRICT_VALUE : HEADER_VALUE).test(value);
    if (!isWellFormed) return invalidField(name, `The header "${name.slice(0, 64)}" is malformed.`);
    if (++count > HEADERS_MAX) return invalidField(name, `At most ${HEADERS_MAX} headers may begin with "${PASSED_PREFIX}".`);
    passed[name] = value;
  }
  return betaProblem(passed['anthropic-beta']) ?? passed;
}
