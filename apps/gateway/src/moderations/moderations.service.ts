import type { CallShape } from '@tensorloop/pricing/hold';
import { normaliseInputUsage } from '@tensorloop/pricing/input-usage';
import { readBearer } from '../auth/bearer.service.js';
import { type Fields, invalidField, isRecord, missingField, parseFields, readModel } from '../body/json-body.types.js';
import { TEXTS_MAX } from '../body/texts.types.js';
import { upstreamBody } from '../body/upstream-body.service.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { OPENAI_SKIN } from '../errors/error-skin.types.js';
import type { Endpoint, InferenceRequest } from '../proxy/endpoint.types.js';
import type { AnswerReading } from '../usage/answer-reading.types.js';
import { readJsonAnswer } from '../usage/usage-reading.service.js';
import { UsageScanner } from '../usage/usage-scanner.service.js';

/** The model that OpenAI takes when none is named. It must be in the catalogue and the key's allowlist like any other. */
const MODEL_DEFAULT = 'omni-moderation-latest';

const READING: AnswerReading = {
  readWhole: readJsonAnswer,
  newScanner: () => new UsageScanner(true),
  normalise: normaliseInputUsage,
  textFormat: 'moderations',
};

/** Text, texts, or parts that are text or images. */
function readInput(input: unknown): Pick<CallShape, 'inputs' | 'images'> | ApiError {
  if (input === undefined) return missingField('input');
  if (typeof input === 'string') return { inputs: 1, images: 0 };
  if (!Array.isArray(input) || input.length === 0)
    return invalidField('input', '"input" must be text, or a list of texts or of parts.');
  if (input.length > TEXTS_MAX) return invalidField('input', `"input" must hold at most ${TEXTS_MAX} texts.`);
  let images = 0;
  for (const [index, part] of input.entries()) {
    if (isRecord(part) && part.type === 'image_url') images += 1;
    else if (typeof part !== 'string' && !(isRecord(part) && part.type === 'text'))
      return invalidField(`input[${index}]`, `"input[${index}]" must be text, or a part of type "text" or "image_url".`);
  }
  return { inputs: input.length, images };
}

function toCall(body: Buffer, fields: Fields): InferenceRequest | ApiError {
  const model = fields.model === undefined ? MODEL_DEFAULT : readModel(fields);
  if (isApiError(model)) return model;
  const input = readInput(fields.input);
  if (isApiError(input)) return input;
  return {
    model,
    stream: false,
    maxTokens: 0,
    shape: { promptBytes: body.length, messages: 0, ...input },
    contentField: 'input',
    predictionBytes: 0,
    bodyFor: ({ upstreamModel }) => upstreamBody(body, fields, [['model', upstreamModel]]),
    reading: READING,
  };
}

/** `POST /v1/moderations`: free where the price book says 0, and refused where it says nothing. */
export const moderations: Endpoint = {
  name: 'moderations',
  path: '/moderations',
  title: 'moderations',
  skin: OPENAI_SKIN,
  readKey: (headers) => readBearer(headers.authorization, headers.cookie),
  read(body): InferenceRequest | ApiError {
    const parsed = parseFields(body);
    return isApiError(parsed) ? parsed : toCall(body, parsed.fields);
  },
};
