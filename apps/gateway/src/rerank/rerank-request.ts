import { invalidField, isGiven, isRecord, missingField, parseFields, readCount, readModel } from '../body/json-body.types.js';
import { unsupportedField } from '../body/priced-fields.types.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';

/** As many as Cohere takes in one call. */
export const DOCUMENTS_MAX = 10_000;

/** What bears on the price of a rerank request. */
export interface RerankRequest {
  model: string;
  documents: number;
  /** Bytes of the query, which the model reads again with every document. */
  queryBytes: number;
  fields: Record<string, unknown>;
}

/** A text, or an object whose fields are texts (Cohere's `{"text": …}` and documents of several fields). */
function isDocument(value: unknown): boolean {
  return typeof value === 'string' || isRecord(value);
}

/** Rerankers of pictures take them by these names. What a picture costs, no price here says. */
const PICTURE_FIELDS = ['image', 'image_url'];

function isPicture(document: unknown): boolean {
  return isRecord(document) && !isGiven(document.text) && PICTURE_FIELDS.some((name) => isGiven(document[name]));
}

function readDocuments({ documents }: Record<string, unknown>): number | ApiError {
  if (documents === undefined) return missingField('documents');
  if (!Array.isArray(documents) || documents.length === 0)
    return invalidField('documents', '"documents" must be a list with at least one document.');
  if (documents.length > DOCUMENTS_MAX)
    return invalidField('documents', `"documents" must hold at most ${DOCUMENTS_MAX} documents.`);
  const odd = documents.findIndex((document) => !isDocument(document));
  if (odd !== -1) return invalidField(`documents[${odd}]`, `"documents[${odd}]" must be text, or an object with texts.`);
  const picture = documents.findIndex(isPicture);
  if (picture === -1) return documents.length;
  return unsupportedField(`documents[${picture}]`, `"documents[${picture}]" is a picture: only texts are reranked here.`);
}

export function readRerankRequest(body: Buffer): RerankRequest | ApiError {
  const parsed = parseFields(body);
  if ('status' in parsed) return parsed;
  const { fields } = parsed;
  const model = readModel(fields);
  if (typeof model !== 'string') return model;
  const { query } = fields;
  if (query === undefined) return missingField('query');
  if (typeof query !== 'string') return invalidField('query', '"query" must be text.');
  const documents = readDocuments(fields);
  if (typeof documents !== 'number') return documents;
  const top = readCount(fields, 'top_n');
  if (isApiError(top)) return top;
  return { model, documents, queryBytes: Buffer.byteLength(query), fields };
}
