import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import { readBearer } from '../auth/bearer.service.js';
import { usageOption } from '../body/stream-fields.types.js';
import { type FieldChange, upstreamBody } from '../body/upstream-body.service.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { OPENAI_SKIN } from '../errors/error-skin.types.js';
import type { Endpoint, InferenceRequest } from '../proxy/endpoint.types.js';
import { openAiTextReading } from '../usage/openai-text-reading.service.js';
import { type ChatRequest, readChatRequest } from './chat-request.js';

/** OpenAI's own, its regional ones among them, and Azure's. */
const OPENAI_HOSTS = /(^|\.)(openai\.com|openai\.azure\.com|cognitiveservices\.azure\.com)$/;
/** Azure's earlier versions know `max_tokens` alone. */
const AZURE_VERSION_MIN = '2024-09';
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

function changesFor(request: ChatRequest, deployment: Deployment, clamp: number | null): FieldChange[] {
  const changes: FieldChange[] = [['model', deployment.upstreamModel], ...usageOption(request)];
  if (clamp !== null) changes.push([limitField(deployment), clamp]);
  return changes;
}

/** OpenAI's newer models refuse `max_tokens`, at Azure too; other servers of its format know nothing else. */
function limitField({ provider, baseUrl, apiVersion }: Deployment): 'max_tokens' | 'max_completion_tokens' {
  if (apiVersion !== null && apiVersion < AZURE_VERSION_MIN) return 'max_tokens';
  const isOpenAis = provider === 'azure-openai' || OPENAI_HOSTS.test(new URL(baseUrl).hostname);
  return isOpenAis ? 'max_completion_tokens' : 'max_tokens';
}
