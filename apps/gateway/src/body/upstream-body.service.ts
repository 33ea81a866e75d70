import { fieldSpans } from './field-spans.js';
import { type Fields, JsonText } from './json-body.types.js';

const CLOSING_BRACE = 0x7d;

/** A field of the client's body and the value it must have upstream. */
export type FieldChange = [name: string, value: unknown];

function jsonOf(value: unknown): string {
  return value instanceof JsonText ? value.json : JSON.stringify(value);
}

/**
 * The body for the upstream. With nothing to change it is the client's own bytes; else only the values that must change are
 * replaced, and absent fields are added before the closing brace. What is not ours to change never goes through JavaScript's
 * numbers and strings: a 64-bit `seed` would not survive it, nor would nesting as deep as a client likes.
 */
export function upstreamBody(body: Buffer, fields: Fields, changes: FieldChange[]): Buffer {
  const wanted = changes.filter(([name, value]) => fields[name] !== value);
  if (wanted.length === 0) return body;
  return wanted.some(([name]) => name in fields)
    ? replaced(body, wanted)
    : added(body, wanted, body.lastIndexOf(CLOSING_BRACE));
}

function added(body: Buffer, wanted: FieldChange[], closingAt: number): Buffer {
  const text = wanted.map(([name, value]) => `,${JSON.stringify(name)}:${jsonOf(value)}`).join('');
  return Buffer.concat([body.subarray(0, closingAt), Buffer.from(text), body.subarray(closingAt)]);
}

/** A field given twice is replaced twice: which of the two a provider reads is its own affair. */
function replaced(body: Buffer, wanted: FieldChange[]): Buffer {
  const { spans, closingAt } = fieldSpans(body);
  const values = new Map(wanted);
  const parts: Buffer[] = [];
  let from = 0;
  for (const span of spans) {
    if (!values.has(span.name)) continue;
    parts.push(body.subarray(from, span.from), Buffer.from(jsonOf(values.get(span.name))));
    from = span.to;
  }
  const absent = wanted.filter(([name]) => !spans.some((span) => span.name === name));
  const rest = body.subarray(from);
  parts.push(absent.length === 0 ? rest : added(rest, absent, closingAt - from));
  return Buffer.concat(parts);
}
