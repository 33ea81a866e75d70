import { normaliseResponsesUsage } from '@tensorloop/pricing/responses-usage';
import { readBearer } from '../auth/bearer.service.js';
import { isRecord } from '../body/json-body.types.js';
import { type FieldChange, upstreamBody } from '../body/upstream-body.service.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import type { Endpoint, InferenceRequest } from '../proxy/endpoint.types.js';
import type { AnswerReading, RawUsage } from '../usage/answer-reading.types.js';
import { FAILURE, isFailure, readJson } from '../usage/usage-reading.service.js';
import { readResponsesRequest } from './responses-request.js';
import { ResponsesScanner } from './responses-scanner.js';
import { RESPONSES_SKIN } from './responses-skin.js';

const FREE: RawUsage = { input_tokens: 0, output_tokens: 0 };
/** What an answer of the Responses API says of itself. */
const STATUSES: ReadonlySet<unknown> = new Set(['completed', 'failed', 'in_progress', 'cancelled', 'queued', 'incomplete']);

const READING: AnswerReading = {
  readWhole(body) {
    const answer = readJson(body);
    if (answer === null) return null;
    if (!STATUSES.has(answer.status) && isFailure(answer)) return FAILURE;
    // What says of itself that it failed is passed on as it is, and costs what a failed stream costs: nothing.
    if (answer.status === 'failed') return { usage: FREE, failed: answer };
    return { usage: isRecord(answer.usage) ? answer.usage : null };
  },
  newScanner: () => new ResponsesScanner(),
  normalise: normaliseResponsesUsage,
  textFormat: 'responses',
};

/** `POST /v1/responses`. */
export const responses: Endpoint = {
  name: 'responses',
  path: '/responses',
  title: 'responses',
  skin: RESPONSES_SKIN,
  readKey: (headers) => readBearer(headers.authorization, headers.cookie),
  read(body): InferenceRequest | ApiError {
    const request = readResponsesRequest(body);
    if (isApiError(request)) return request;
    const { model, stream, maxTokens, shape, fields } = request;
    return {
      model,
      stream,
      maxTokens,
      shape,
      contentField: 'input',
      predictionBytes: 0,
      bodyFor({ upstreamModel }, clamp) {
        const changes: FieldChange[] = [['model', upstreamModel]];
        if (clamp !== null) changes.push(['max_output_tokens', clamp]);
        return upstreamBody(body, fields, changes);
      },
      reading: READING,
    };
  },
};
