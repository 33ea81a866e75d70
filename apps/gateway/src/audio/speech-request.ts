import { type Fields, invalidField, isGiven, missingField, parseFields, readModel } from '../body/json-body.types.js';
import { unsupportedField } from '../body/priced-fields.types.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';

/** What bears on the price of a speech request. */
export interface SpeechRequest {
  model: string;
  /** Unicode code points of the text to speak, as OpenAI counts them. */
  characters: number;
  fields: Fields;
}

export function readSpeechRequest(body: Buffer): SpeechRequest | ApiError {
  const parsed = parseFields(body);
  if (isApiError(parsed)) return parsed;
  const { fields } = parsed;
  const model = readModel(fields);
  if (typeof model !== 'string') return model;
  const { input, stream_format: format } = fields;
  if (input === undefined) return missingField('input');
  if (typeof input !== 'string' || input === '') return invalidField('input', '"input" must be the text to speak.');
  if (isGiven(format) && format !== 'audio')
    return unsupportedField('stream_format', '"stream_format" must be "audio": speech is not sent as events here.');
  return { model, characters: countCodePoints(input), fields };
}

/** Without a list of them all: a text may have millions. */
function countCodePoints(text: string): number {
  let points = 0;
  for (const _point of text) points += 1;
  return points;
}
