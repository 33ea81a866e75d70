import { normaliseInputUsage } from '@tensorloop/pricing/input-usage';
import { readBearer } from '../auth/bearer.service.js';
import { isRecord } from '../body/json-body.types.js';
import { upstreamBody } from '../body/upstream-body.service.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { OPENAI_SKIN } from '../errors/error-skin.types.js';
import type { Endpoint, InferenceRequest } from '../proxy/endpoint.types.js';
import type { AnswerReading, RawUsage } from '../usage/answer-reading.types.js';
import { FAILURE, isFailure, readJson } from '../usage/usage-reading.service.js';
import { UsageScanner } from '../usage/usage-scanner.service.js';
import { readRerankRequest } from './rerank-request.js';

/** Jina and vLLM report `usage`; Cohere reports `meta.tokens`, and bills by searches, which no price here is for. */
function usageOf(answer: Record<string, unknown>): RawUsage | null {
  if (isRecord(answer.usage)) return answer.usage;
  if (!isRecord(answer.meta) || !isRecord(answer.meta.tokens)) return null;
  return { total_tokens: answer.meta.tokens.input_tokens };
}

const READING: AnswerReading = {
  readWhole(body) {
    const answer = readJson(body);
    if (answer === null) return null;
    return isFailure(answer) ? FAILURE : { usage: usageOf(answer) };
  },
  newScanner: () => new UsageScanner(true),
  normalise: normaliseInputUsage,
  textFormat: 'rerank',
};

/** `POST /v1/rerank`, as Cohere and Jina have it: charged by the tokens of query and documents together. */
export const rerank: Endpoint = {
  name: 'rerank',
  path: '/rerank',
  title: 'reranking',
  skin: OPENAI_SKIN,
  readKey: (headers) => readBearer(headers.authorization, headers.cookie),
  read(body): InferenceRequest | ApiError {
    const request = readRerankRequest(body);
    if (isApiError(request)) return request;
    const { model, documents, queryBytes, fields } = request;
    return {
      model,
      stream: false,
      maxTokens: 0,
      // The body has the query once; the model reads it with each document.
      shape: { promptBytes: body.length + queryBytes * (documents - 1), messages: 0, inputs: documents },
      predictionBytes: 0,
      bodyFor: ({ upstreamModel }) => upstreamBody(body, fields, [['model', upstreamModel]]),
      reading: READING,
    };
  },
};
