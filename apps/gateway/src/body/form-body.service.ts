import { isUtf8 } from 'node:buffer';
import { type ApiError, apiError, isApiError } from '../errors/api-error.types.js';
import { fieldNameOf } from './part-head.js';

/** Parts of one form. A transcription has about a dozen fields. */
export const PARTS_MAX = 64;
/** The header lines of one part, of which the longest is the name of a file. */
export const PART_HEAD_BYTES_MAX = 4_096;

const CRLF = '\r\n';
const BLANK_LINE = '\r\n\r\n';
const BOUNDARY_PARAMETER = /;\s*boundary=(?:"([^"]*)"|([^\s";]+))/gi;
/** RFC 2046 §5.1.1. */
const BOUNDARY = /^[\w'()+,\-./:=? ]{0,69}[\w'()+,\-./:=?]$/;
const NEEDS_QUOTES = /[()<>@,;:\\"/[\]?= ]/;

/** Where the value of a field lies in the bytes of a form. */
export interface FormField {
  name: string;
  isFile: boolean;
  from: number;
  to: number;
}

export interface FormBody {
  bytes: Buffer;
  /** The content type that goes with the bytes; of the client's own only the boundary is kept. */
  contentType: string;
  fields: FormField[];
}

function broken(what: string): ApiError {
  return apiError('invalid_body', `The request body is not a valid form: ${what}.`);
}

/**
 * The fields of a `multipart/form-data` body (RFC 7578), found without copying it. Stricter than the RFC on purpose: what the
 * provider's parser might read in another way than this one (text around the parts, a boundary inside a value, escapes and
 * encodings of names) is refused, because a form must not name one model here and another one there.
 */
export function readForm(bytes: Buffer, contentType: string | undefined): FormBody | ApiError {
  const boundary = boundaryOf(contentType ?? '');
  if (boundary === null) return broken('its content type must name one valid boundary');
  const fields = readParts(bytes, Buffer.from(`--${boundary}`, 'latin1'));
  if (isApiError(fields)) return fields;
  const quoted = NEEDS_QUOTES.test(boundary) ? `"${boundary}"` : boundary;
  return { bytes, contentType: `multipart/form-data; boundary=${quoted}`, fields };
}

function boundaryOf(contentType: string): string | null {
  const [found, ...others] = contentType.matchAll(BOUNDARY_PARAMETER);
  const boundary = found?.[1] ?? found?.[2] ?? '';
  return others.length === 0 && BOUNDARY.test(boundary) ? boundary : null;
}

function readParts(bytes: Buffer, marker: Buffer): FormField[] | ApiError {
  const fields: FormField[] = [];
  if (bytes.indexOf(marker) !== 0) return broken('it must begin with its boundary');
  for (let at = marker.length; ; ) {
    // Behind a boundary: "--" for the end, else a line break and the next part.
    if (bytes.toString('latin1', at, at + 2) === '--') {
      const rest = bytes.toString('latin1', at + 2, at + 2 + BLANK_LINE.length);
      return rest === '' || rest === CRLF ? fields : broken('something follows its end');
    }
    if (fields.length === PARTS_MAX) return broken(`it has more than ${PARTS_MAX} parts`);
    const field = readPart(bytes, at, marker);
    if (isApiError(field)) return field;
    fields.push(field);
    at = field.to + CRLF.length + marker.length;
  }
}

function readPart(bytes: Buffer, at: number, marker: Buffer): FormField | ApiError {
  if (bytes.toString('latin1', at, at + 2) !== CRLF) return broken('a boundary stands where none may be');
  const headAt = at + CRLF.length;
  const headLength = bytes.subarray(headAt, headAt + PART_HEAD_BYTES_MAX).indexOf(BLANK_LINE);
  if (headLength === -1) return broken(`a part has no head, or one of more than ${PART_HEAD_BYTES_MAX} bytes`);
  const named = fieldNameOf(bytes.toString('latin1', headAt, headAt + headLength));
  if (named === null) return broken('a part has a head that cannot be read');
  const from = headAt + headLength + BLANK_LINE.length;
  const next = bytes.indexOf(marker, from);
  const to = next - CRLF.length;
  if (next === -1) return broken('it has no end');
  if (to < from || bytes.toString('latin1', to, next) !== CRLF) return broken('a boundary stands where none may be');
  return { ...named, from, to };
}

/** The text of a field; null when it is no UTF-8. */
export function textOf({ bytes }: FormBody, { from, to }: FormField): string | null {
  const value = bytes.subarray(from, to);
  return isUtf8(value) ? value.toString('utf8') : null;
}

/** The form with another value in one field; the client's own bytes when it has that value already. */
export function withText(form: FormBody, field: FormField, text: string): Buffer {
  if (textOf(form, field) === text) return form.bytes;
  return Buffer.concat([form.bytes.subarray(0, field.from), Buffer.from(text), form.bytes.subarray(field.to)]);
}
