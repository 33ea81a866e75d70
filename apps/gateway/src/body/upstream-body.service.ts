import type { Fields } from './json-body.types.js';

const CLOSING_BRACE = 0x7d;

/** A field of the client's body and the value it must have upstream. */
export type FieldChange = [name: string, value: unknown];

interface RawJson {
  rawJSON(source: string): unknown;
}

/**
 * The body for the upstream. With nothing to change it is the client's own bytes; a field that was absent is spliced in before
 * the closing brace; only a field that has to be replaced costs a new serialisation.
 */
export function upstreamBody(body: Buffer, fields: Fields, changes: FieldChange[]): Buffer {
  const wanted = changes.filter(([name, value]) => fields[name] !== value);
  if (wanted.length === 0) return body;
  return wanted.some(([name]) => name in fields) ? rewritten(body, wanted) : spliced(body, wanted);
}

function spliced(body: Buffer, wanted: FieldChange[]): Buffer {
  const end = body.lastIndexOf(CLOSING_BRACE);
  const added = wanted.map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`).join('');
  return Buffer.concat([body.subarray(0, end), Buffer.from(added), body.subarray(end)]);
}

/** Numbers keep the text they came with: a 64-bit `seed` does not survive JavaScript's doubles. */
function rewritten(body: Buffer, wanted: FieldChange[]): Buffer {
  const { rawJSON } = JSON as unknown as RawJson;
  const keepNumbers = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined && String(value) !== context.source
      ? rawJSON(context.source)
      : value;
  const fields = JSON.parse(body.toString('utf8'), keepNumbers) as Fields;
  for (const [name, value] of wanted) fields[name] = value;
  return Buffer.from(JSON.stringify(fields));
}
