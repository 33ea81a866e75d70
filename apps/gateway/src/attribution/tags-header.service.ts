import type { IncomingHttpHeaders } from 'node:http';
import { TAGS_MAX, type Tags, tagNameSchema, tagValueSchema } from '@tensorloop/contracts/tags';
import { type ApiError, apiError } from '../errors/api-error.types.js';

/** By which a call adds tags of its own. It is the gateway's, and never sent on. */
export const TAGS_HEADER = 'x-tensorloop-tags';
/** Characters of the header; 16 tags of usual length take some 500. */
export const TAGS_HEADER_LENGTH_MAX = 4_096;

function malformed(message: string): ApiError {
  return apiError('invalid_value', `The header ${TAGS_HEADER} is not valid: ${message}`, { param: TAGS_HEADER });
}

/**
 * Tags that a call names, as in `x-tensorloop-tags: team=search,environment=production`; null where it names none. Blanks
 * around "," and "=" are left out; "%" escapes as in URLs, so that a value may be any text.
 */
export function readTagsHeader(headers: IncomingHttpHeaders): Tags | ApiError | null {
  const header = headers[TAGS_HEADER];
  if (header === undefined) return null;
  const text = Array.isArray(header) ? header.join(',') : header;
  if (text.trim() === '') return null;
  if (text.length > TAGS_HEADER_LENGTH_MAX) return malformed(`it has at most ${TAGS_HEADER_LENGTH_MAX} characters.`);
  // One more than there may be: what comes behind changes nothing.
  const pairs = text.split(',', TAGS_MAX + 1);
  if (pairs.length > TAGS_MAX) return malformed(`a call has at most ${TAGS_MAX} tags.`);
  const tags = new Map<string, string>();
  for (const pair of pairs) {
    const tag = readPair(pair);
    if ('problem' in tag) return malformed(tag.problem);
    if (tags.has(tag.name)) return malformed(`the tag "${tag.name}" is given twice.`);
    tags.set(tag.name, tag.value);
  }
  return Object.fromEntries(tags);
}

function readPair(pair: string): { name: string; value: string } | { problem: string } {
  const at = pair.indexOf('=');
  if (at < 0) return { problem: 'write name=value, and "," between two, such as team=search,environment=production.' };
  const name = pair.slice(0, at).trim();
  const named = tagNameSchema.safeParse(name);
  if (!named.success) return { problem: `${named.error.issues[0]?.message}.` };
  const value = unescaped(pair.slice(at + 1).trim());
  const valued = tagValueSchema.safeParse(value);
  if (!valued.success) return { problem: `the value of "${name}" does not fit: ${valued.error.issues[0]?.message}.` };
  return { name, value: valued.data };
}

/** Null for a "%" that begins no escape, and for bytes that are no UTF-8. */
function unescaped(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/**
 * The tags of the key, and those of the call that the key does not say itself: whoever holds a key cannot book its calls to
 * somebody else. Beyond TAGS_MAX the call's are left out.
 */
export function mergeTags(ofKey: Tags | null | undefined, ofCall: Tags | null): Tags | null {
  if (ofCall === null) return ofKey ?? null;
  const merged: Tags = { ...ofKey };
  let count = Object.keys(merged).length;
  for (const [name, value] of Object.entries(ofCall)) {
    if (count >= TAGS_MAX) break;
    if (Object.hasOwn(merged, name)) continue;
    merged[name] = value;
    count += 1;
  }
  return merged;
}
