import { parseKeyText } from '@tensorloop/kernel/key-text';
import { type ApiError, apiError } from '../errors/api-error.types.js';

/** What a well-formed `Authorization` header says. Nothing is known yet about whether the key exists. */
export interface BearerKey {
  keyText: string;
  accountTag: string;
}

/** Keys whose checksum held. It is arithmetic on 57 characters, and clients send the same few keys again and again. */
const REMEMBERED_MAX = 10_000;
const remembered = new Map<string, BearerKey>();

const MANAGEMENT_TOKEN_PREFIX = 'tlm_';
const SESSION_COOKIE = /(^|;\s*)(__Host-)?(tl_session|session)=/;

function invalid(message: string): ApiError {
  return apiError('invalid_api_key', message);
}

function missingHeader(cookie: string | undefined): ApiError {
  if (cookie !== undefined && SESSION_COOKIE.test(cookie)) {
    return apiError(
      'wrong_surface',
      'A dashboard session opens the dashboard API (/api/*) only. The inference API (/v1/*) takes an inference key: Authorization: Bearer tl_…',
    );
  }
  return invalid('No API key was given. Send it in the header "Authorization: Bearer tl_…".');
}

function schemeProblem(header: string): string {
  const scheme = header.split(' ', 1)[0] as string;
  if (scheme !== 'Bearer' && scheme.toLowerCase() === 'bearer') {
    return 'The scheme in the Authorization header must be written exactly "Bearer" (capital B, the rest in lower case).';
  }
  if (scheme !== 'Bearer') return 'The Authorization header must use the scheme "Bearer": Authorization: Bearer tl_…';
  if (!header.startsWith('Bearer ')) return 'The Authorization header names the scheme "Bearer" but carries no key.';
  return 'There must be exactly one space between "Bearer" and the key in the Authorization header.';
}

/**
 * Reads the key out of the request headers without any I/O (spec TL-6, TL-8): exactly `Bearer`, one space, one key whose
 * checksum holds. Messages say what is wrong with the form and never repeat what was sent.
 */
export function readBearer(authorization: string | undefined, cookie: string | undefined): BearerKey | ApiError {
  if (authorization === undefined || authorization === '') return missingHeader(cookie);
  const keyText = authorization.startsWith('Bearer ') ? authorization.slice('Bearer '.length) : '';
  if (keyText === '' || keyText.startsWith(' ')) return invalid(schemeProblem(authorization));
  return readKeyText(keyText, 'Authorization');
}

/** The same rules for a key that comes in a header of its own. */
export function readKeyText(keyText: string, header: string): BearerKey | ApiError {
  return remembered.get(keyText) ?? readUnknown(keyText, header);
}

function readUnknown(keyText: string, header: string): BearerKey | ApiError {
  if (keyText.startsWith(MANAGEMENT_TOKEN_PREFIX)) {
    return apiError(
      'wrong_surface',
      'Management tokens (tlm_…) open the dashboard API (/api/*) only. The inference API (/v1/*) takes an inference key (tl_…).',
    );
  }
  if (/\s/.test(keyText)) return invalid(`The ${header} header must end with the key: nothing may follow it.`);
  const parsed = parseKeyText(keyText);
  if (parsed === null)
    return invalid(
      'The API key is malformed: a key is "tl_" and 57 letters and digits, copied whole. Check for a missing or changed character.',
    );
  const key = { keyText, accountTag: parsed.accountTag };
  if (remembered.size >= REMEMBERED_MAX) remembered.delete(remembered.keys().next().value as string);
  remembered.set(keyText, key);
  return key;
}
