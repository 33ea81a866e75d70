import { normaliseImagesUsage } from '@tensorloop/pricing/images-usage';
import { readBearer } from '../auth/bearer.service.js';
import { upstreamBody } from '../body/upstream-body.service.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { OPENAI_SKIN } from '../errors/error-skin.types.js';
import type { Endpoint, InferenceRequest } from '../proxy/endpoint.types.js';
import type { AnswerReading, RawUsage, WholeAnswer } from '../usage/answer-reading.types.js';
import { FAILURE, isFailure, readJson } from '../usage/usage-reading.service.js';
import { UsageScanner } from '../usage/usage-scanner.service.js';
import { type ImagesRequest, readImagesRequest } from './images-request.js';

/** Ten large pictures as base64, with room. */
export const IMAGES_ANSWER_BYTES_MAX = 96 * 1024 * 1024;

/** What was delivered is counted in the answer, beside the tokens that it may report. One without pictures is broken. */
function readWhole(body: Buffer): WholeAnswer | null {
  const answer = readJson(body);
  if (answer === null) return null;
  if (isFailure(answer)) return FAILURE;
  if (!Array.isArray(answer.data)) return null;
  const { usage, data } = answer;
  const reported = typeof usage === 'object' && usage !== null ? (usage as RawUsage) : {};
  return { usage: { ...reported, pictures: data.length } };
}

function picturesOf(raw: RawUsage | null): number {
  return typeof raw?.pictures === 'number' ? raw.pictures : 0;
}

/** Pictures are priced by what was asked of them. */
function readingOf({ dimension }: ImagesRequest): AnswerReading {
  return {
    readWhole,
    newScanner: () => new UsageScanner(true),
    normalise: (raw, priced) => normaliseImagesUsage(raw, priced, { dimension, count: picturesOf(raw) }),
    countUnits: ({ usage }) => (picturesOf(usage) > 0 ? { [dimension]: picturesOf(usage) } : {}),
    answerBytesMax: IMAGES_ANSWER_BYTES_MAX,
    textFormat: 'images',
  };
}

/** `POST /v1/images/generations`: charged by the picture, or by tokens where the price book has those. */
export const images: Endpoint = {
  name: 'images.generations',
  path: '/images/generations',
  title: 'images',
  skin: OPENAI_SKIN,
  readKey: (headers) => readBearer(headers.authorization, headers.cookie),
  read(body): InferenceRequest | ApiError {
    const request = readImagesRequest(body);
    if (isApiError(request)) return request;
    const { model, count, dimension, fields } = request;
    return {
      model,
      stream: false,
      // No provider takes a limit of tokens for a picture: the model's own is held for, and nothing is clamped.
      maxTokens: Number.MAX_SAFE_INTEGER,
      shape: {
        promptBytes: body.length,
        messages: 0,
        choices: count,
        units: { [dimension]: count },
        unitTokens: 'output_image',
      },
      predictionBytes: 0,
      bodyFor: ({ upstreamModel }) => upstreamBody(body, fields, [['model', upstreamModel]]),
      reading: readingOf(request),
    };
  },
};
