import { readBearer } from '../auth/bearer.service.js';
import { upstreamBody } from '../body/upstream-body.service.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { OPENAI_SKIN } from '../errors/error-skin.types.js';
import type { Endpoint, InferenceRequest } from '../proxy/endpoint.types.js';
import type { AnswerReading } from '../usage/answer-reading.types.js';
import { FAILURE, isJsonFailure } from '../usage/usage-reading.service.js';
import { UsageScanner } from '../usage/usage-scanner.service.js';
import { readSpeechRequest } from './speech-request.js';

/** An answer of bytes has no place for usage, and needs none: what is spoken is what was asked. */
function readingOf(characters: number): AnswerReading {
  return {
    readWhole(body, contentType) {
      if (isJsonFailure(body, contentType)) return FAILURE;
      return body.length > 0 ? { usage: {} } : null;
    },
    newScanner: () => new UsageScanner(true),
    normalise: () => ({ usage: { character: characters } }),
    textFormat: 'speech',
  };
}

/** `POST /v1/audio/speech`: charged by the character of the text, which is known beforehand. */
export const speech: Endpoint = {
  name: 'audio.speech',
  path: '/audio/speech',
  title: 'speech',
  skin: OPENAI_SKIN,
  readKey: (headers) => readBearer(headers.authorization, headers.cookie),
  read(body): InferenceRequest | ApiError {
    const request = readSpeechRequest(body);
    if (isApiError(request)) return request;
    const { model, characters, fields } = request;
    return {
      model,
      stream: false,
      maxTokens: 0,
      shape: { promptBytes: 0, messages: 0, units: { character: characters } },
      predictionBytes: 0,
      bodyFor: ({ upstreamModel }) => upstreamBody(body, fields, [['model', upstreamModel]]),
      reading: readingOf(characters),
    };
  },
};
