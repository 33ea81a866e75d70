import { parseFields, readModel } from '../body/json-body.types.js';
import { readTexts } from '../body/texts.types.js';
import { type ApiError, apiError, isApiError } from '../errors/api-error.types.js';

/** What bears on the price of an embeddings request. */
export interface EmbeddingsRequest {
  model: string;
  inputs: number;
  /** Tokens among the inputs that came as numbers. */
  tokens: number;
  fields: Record<string, unknown>;
}

export function readEmbeddingsRequest(body: Buffer): EmbeddingsRequest | ApiError {
  const parsed = parseFields(body);
  if ('status' in parsed) return parsed;
  const { fields } = parsed;
  const model = readModel(fields);
  if (typeof model !== 'string') return model;
  if (fields.input === undefined && fields.messages !== undefined) {
    return apiError('missing_required_parameter', 'This endpoint takes "input": the text or texts to embed.', {
      param: 'input',
    });
  }
  const read = readTexts(fields.input, 'input');
  if (isApiError(read)) return read;
  return { model, inputs: read.texts, tokens: read.tokens, fields };
}
