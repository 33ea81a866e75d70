/** Fields of an error body that the gateway does not know are passed on up to this size and depth, or not at all. */
const EXTRA_BYTES_MAX = 8 * 1024;
const EXTRA_DEPTH_MAX = 8;
const REDACTED = '[redacted]';
/** What a field of such a name holds is about the operator's account with the provider, whatever it looks like. */
const PRIVATE_NAME =
  /api[-_]?key|authorization|credential|password|secret|cookie|signature|subscription|(access|auth|refresh|bearer)[-_]?token|organi[sz]ation|\borg\b|org[-_]id|(account|workspace|project|tenant)([-_]?(id|name))?$/i;
/** A number under such a name is one of the model's tokens, and anything else may be a token to get in with. */
const TOKEN_NAME = /token/i;

export type Fields = Record<string, unknown>;

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/**
 * The fields without `known`, scrubbed in every text and every name; none of them when they are too large or too deep, because
 * half an object would say something that the provider did not.
 */
export function extraFields(fields: Fields, known: readonly string[], scrub: (text: string) => string): Fields {
  const others = Object.entries(fields).filter(([name]) => !known.includes(name));
  if (others.length === 0) return {};
  const clean = scrubbed(Object.fromEntries(others), scrub, EXTRA_DEPTH_MAX);
  if (clean === undefined || Buffer.byteLength(JSON.stringify(clean)) > EXTRA_BYTES_MAX) return {};
  return clean as Fields;
}

/** Undefined when there is something below the depth that is looked at. */
function scrubbed(value: unknown, scrub: (text: string) => string, depth: number): unknown {
  if (typeof value === 'string') return scrub(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return undefined;
  if (Array.isArray(value)) return whole(value.map((item) => scrubbed(item, scrub, depth - 1)));
  const entries = Object.entries(value).map(([name, item]) => [
    scrub(name),
    isPrivate(name, item) ? REDACTED : scrubbed(item, scrub, depth - 1),
  ]);
  return whole(entries.map(([, item]) => item)) && Object.fromEntries(entries);
}

function isPrivate(name: string, value: unknown): boolean {
  if (PRIVATE_NAME.test(name)) return true;
  return TOKEN_NAME.test(name) && (typeof value === 'string' || typeof value === 'object') && value !== null;
}

function whole(items: unknown[]): unknown[] | undefined {
  return items.includes(undefined) ? undefined : items;
}
