const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN = new Set([0x7b, 0x5b]);
const CLOSE = new Set([0x7d, 0x5d]);
const BLANK = new Set([0x20, 0x09, 0x0a, 0x0d]);
const OBJECT_END = 0x7d;

/** Where the value of a field lies in the bytes of a JSON object. */
export interface FieldSpan {
  name: string;
  from: number;
  to: number;
}

/**
 * The fields at the top of a JSON object, in order and with repetitions, and where the object closes. `body` must be a JSON
 * object that has been parsed before: nothing is checked here. Nested values are skipped without recursion.
 */
export function fieldSpans(body: Buffer): { spans: FieldSpan[]; closingAt: number } {
  const spans: FieldSpan[] = [];
  let at = skipBlank(body, skipBlank(body, 0) + 1);
  while (body[at] !== OBJECT_END) {
    const nameEnd = stringEnd(body, at);
    const name = JSON.parse(body.toString('utf8', at, nameEnd)) as string;
    const from = skipBlank(body, skipBlank(body, nameEnd) + 1);
    const to = valueEnd(body, from);
    spans.push({ name, from, to });
    at = skipBlank(body, to);
    if (body[at] === COMMA) at = skipBlank(body, at + 1);
  }
  return { spans, closingAt: at };
}

function skipBlank(body: Buffer, from: number): number {
  let at = from;
  while (BLANK.has(body[at] as number)) at++;
  return at;
}

/** Offset behind the string that begins at `from`. */
function stringEnd(body: Buffer, from: number): number {
  for (let at = body.indexOf(QUOTE, from + 1); at !== -1; at = body.indexOf(QUOTE, at + 1)) {
    let escapes = 0;
    while (body[at - 1 - escapes] === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return at + 1;
  }
  return body.length;
}

function valueEnd(body: Buffer, from: number): number {
  let depth = 0;
  let at = from;
  while (at < body.length) {
    const byte = body[at] as number;
    if (byte === QUOTE) {
      at = stringEnd(body, at);
      if (depth === 0) return at;
      continue;
    }
    if (OPEN.has(byte)) depth++;
    else if (CLOSE.has(byte)) {
      // A number or a word ends where its object does.
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (byte === COMMA || BLANK.has(byte))) return at;
    at++;
  }
  return at;
}
