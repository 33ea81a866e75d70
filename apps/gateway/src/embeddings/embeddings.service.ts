import { normaliseInputUsage } from '@tensorloop/pricing/input-usage';
import { readBearer } from '../auth/bearer.service.js';
import { upstreamBody } from '../body/upstream-body.service.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { OPENAI_SKIN } from '../errors/error-skin.types.js';
import type { Endpoint, InferenceRequest } from '../proxy/endpoint.types.js';
import type { AnswerReading } from '../usage/answer-reading.types.js';
import { readJsonAnswer } from '../usage/usage-reading.service.js';
import { UsageScanner } from '../usage/usage-scanner.service.js';
import { readEmbeddingsRequest } from './embeddings-request.js';

const READING: AnswerReading = {
  readWhole: readJsonAnswer,
  newScanner: () => new UsageScanner(true),
  normalise: normaliseInputUsage,
  textFormat: 'embeddings',
};

/** `POST /v1/embeddings`: charged by what is read; each input has the model's window to itself. */
export const embeddings: Endpoint = {
  name: 'embeddings',
  path: '/embeddings',
  title: 'embeddings',
  skin: OPENAI_SKIN,
  readKey: (headers) => readBearer(headers.authorization, headers.cookie),
  read(body): InferenceRequest | ApiError {
    const request = readEmbeddingsRequest(body);
    if (isApiError(request)) return request;
    const { model, inputs, tokens, fields } = request;
    return {
      model,
      stream: false,
      maxTokens: 0,
      shape: { promptBytes: body.length, messages: 0, inputs, tokens },
      predictionBytes: 0,
      bodyFor: ({ upstreamModel }) => upstreamBody(body, fields, [['model', upstreamModel]]),
      reading: READING,
    };
  },
};
