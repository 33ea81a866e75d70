import { normaliseTranscriptionUsage } from '@tensorloop/pricing/transcription-usage';
import { readBearer } from '../auth/bearer.service.js';
import { withText } from '../body/form-body.service.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { OPENAI_SKIN } from '../errors/error-skin.types.js';
import type { Endpoint, InferenceRequest } from '../proxy/endpoint.types.js';
import type { AnswerReading, RawUsage, WholeAnswer } from '../usage/answer-reading.types.js';
import { FAILURE, isFailure, isJsonFailure, readJson } from '../usage/usage-reading.service.js';
import { UsageScanner } from '../usage/usage-scanner.service.js';
import { heardSeconds, secondsMax } from './heard-seconds.rules.js';
import { readTranscriptionRequest, type TranscriptionFormat, type TranscriptionRequest } from './transcriptions-request.js';

/** The usage of an answer in JSON; a verbose one says how long the file was, even from servers that report no usage. */
function readWhole(body: Buffer): WholeAnswer | null {
  const answer = readJson(body);
  if (answer === null) return null;
  const { usage, duration } = answer;
  if (isFailure(answer)) return FAILURE;
  const reported = typeof usage === 'object' && usage !== null ? (usage as RawUsage) : {};
  return { usage: { ...reported, duration } };
}

/** Plain text and subtitles have no place for usage. */
function readText(body: Buffer, contentType: string): WholeAnswer {
  return isJsonFailure(body, contentType) ? FAILURE : { usage: null };
}

function transcriptOf(body: Buffer, format: TranscriptionFormat): string {
  if (!format.endsWith('json')) return body.toString('utf8');
  const text = readJson(body)?.text;
  return typeof text === 'string' ? text : '';
}

function readingOf({ format, fileBytes }: TranscriptionRequest): AnswerReading {
  return {
    readWhole: format.endsWith('json') ? readWhole : readText,
    newScanner: () => new UsageScanner(true),
    normalise: normaliseTranscriptionUsage,
    countUnits: ({ body }) => {
      const seconds = heardSeconds({ text: transcriptOf(body, format), format, fileBytes });
      return seconds > 0 ? { audio_second: seconds } : {};
    },
    textFormat: 'transcriptions',
  };
}

/** `POST /v1/audio/transcriptions`: charged by the second of sound, or by tokens where the price book has those. */
export const transcriptions: Endpoint = {
  name: 'audio.transcriptions',
  path: '/audio/transcriptions',
  title: 'transcriptions',
  bodyKind: 'form',
  skin: OPENAI_SKIN,
  readKey: (headers) => readBearer(headers.authorization, headers.cookie),
  read(body, headers): InferenceRequest | ApiError {
    const request = readTranscriptionRequest(body, headers['content-type']);
    if (isApiError(request)) return request;
    const { model, modelField, form } = request;
    return {
      model,
      stream: false,
      // Nobody can limit what is said in a recording, so there is nothing to clamp.
      maxTokens: Number.MAX_SAFE_INTEGER,
      // The whole body stands for the file: whichever part a provider takes for it, it is not longer.
      shape: {
        promptBytes: 0,
        messages: 0,
        isInputUnbounded: true,
        units: { audio_second: secondsMax(body.length) },
        unitTokens: 'input_audio',
      },
      predictionBytes: 0,
      bodyFor: ({ upstreamModel }) => withText(form, modelField, upstreamModel),
      upstreamHeaders: { 'content-type': form.contentType },
      reading: readingOf(request),
    };
  },
};
