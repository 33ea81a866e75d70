import type { IncomingHttpHeaders } from 'node:http';
import { type ApiError, apiError } from '../errors/api-error.types.js';
import type { BodyKind } from './endpoint.types.js';

const FORM_TYPE = /^multipart\/form-data\s*;/i;
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;
/** JSON is UTF-8 (RFC 8259 §8.1); ASCII is a part of it. */
const CHARSET = /;\s*charset\s*=\s*(?!"?(?:utf-?8|us-ascii))/i;

function unsupported(message: string): ApiError {
  return apiError('unsupported_media_type', message);
}

/** What the headers say of a body that an endpoint cannot read. No content type is taken for JSON, where nothing else is meant. */
export function mediaProblem(headers: IncomingHttpHeaders, kind: BodyKind = 'json'): ApiError | null {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    return unsupported('Compressed request bodies are not taken. Send the body as it is, without "Content-Encoding".');
  const type = headers['content-type'];
  if (kind === 'form') {
    if (type !== undefined && FORM_TYPE.test(type)) return null;
    return unsupported('This endpoint takes a form. Send the header "Content-Type: multipart/form-data" with its boundary.');
  }
  if (type === undefined || type === 'application/json') return null;
  if (!JSON_TYPE.test(type)) return unsupported('This endpoint takes JSON. Send the header "Content-Type: application/json".');
  return CHARSET.test(type) ? unsupported('This endpoint takes JSON in UTF-8.') : null;
}
