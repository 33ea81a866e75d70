import { readBearer } from '../auth/bearer.service.js';
import { usageOption } from '../body/stream-fields.types.js';
import { type FieldChange, upstreamBody } from '../body/upstream-body.service.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { OPENAI_SKIN } from '../errors/error-skin.types.js';
import type { Endpoint, InferenceRequest } from '../proxy/endpoint.types.js';
import { openAiTextReading } from '../usage/openai-text-reading.service.js';
import { readCompletionsRequest } from './completions-request.js';

const readingFor = openAiTextReading('completions');

/** `POST /v1/completions`: the forerunner of chat completions, which servers of open models still speak. */
export const completions: Endpoint = {
  name: 'completions',
  path: '/completions',
  title: 'completions',
  skin: OPENAI_SKIN,
  readKey: (headers) => readBearer(headers.authorization, headers.cookie),
  read(body): InferenceRequest | ApiError {
    const request = readCompletionsRequest(body);
    if (isApiError(request)) return request;
    const { model, stream, maxTokens, fields } = request;
    return {
      model,
      stream,
      maxTokens,
      shape: {
        promptBytes: body.length,
        messages: 0,
        inputs: request.prompts,
        tokens: request.tokens,
        // Every prompt is completed that often.
        choices: request.prompts * request.choices,
      },
      predictionBytes: 0,
      bodyFor({ upstreamModel }, clamp) {
        const changes: FieldChange[] = [['model', upstreamModel], ...usageOption(request)];
        if (clamp !== null) changes.push(['max_tokens', clamp]);
        return upstreamBody(body, fields, changes);
      },
      reading: readingFor(request.wantsUsage),
    };
  },
};
