import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import { readBearer } from '../auth/bearer.service.js';
import { usageOption } from '../body/stream-fields.types.js';
import { type FieldChange, upstreamBody } from '../body/upstream-body.service.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { OPENAI_SKIN } from '../errors/error-skin.types.js';
import type { Endpoint, InferenceRequest } from '../proxy/endpoint.types.js';
import { openAiTextReading } from '../usage/openai-text-reading.service.js';
import { type ChatRequest, readChatRequest } from './chat-request.js';

const OPENAI_HOST = 'api.openai.com';
const readingFor = openAiTextReading('chat');

/** `POST /v1/chat/completions`. */
export const chatCompletions: Endpoint = {
  name: 'chat.completions',
  path: '/chat/completions',
  title: 'chat completions',
  skin: OPENAI_SKIN,
  readKey: (headers) => readBearer(headers.authorization, headers.cookie),
  read(body): InferenceRequest | ApiError {
    const request = readChatRequest(body);
    if (isApiError(request)) return request;
    const { model, stream, maxTokens, kinds } = request;
    return {
      model,
      stream,
      maxTokens,
      shape: {
        promptBytes: body.length,
        messages: request.messages,
        images: kinds.images,
        choices: request.choices,
        isInputUnbounded: kinds.isUnbounded,
        hasAudio: kinds.hasAudio,
      },
      predictionBytes: kinds.predictionBytes,
      bodyFor: (deployment, clamp) => upstreamBody(body, request.fields, changesFor(request, deployment, clamp)),
      reading: readingFor(request.wantsUsage),
    };
  },
};

function changesFor({ stream, fields }: ChatRequest, deployment: Deployment, clamp: number | null): FieldChange[] {
  const changes: FieldChange[] = [['model', deployment.upstreamModel]];
  if (stream) changes.push(...usageOption(fields));
  if (clamp !== null) changes.push([limitField(deployment), clamp]);
  return changes;
}

/** OpenAI's newer models refuse `max_tokens`; other servers of its format know nothing else. */
function limitField(deployment: Deployment): 'max_tokens' | 'max_completion_tokens' {
  return new URL(deployment.baseUrl).hostname === OPENAI_HOST ? 'max_completion_tokens' : 'max_tokens';
}
