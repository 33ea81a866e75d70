const CLOSING_BRACE = 0x7d;

/** What must change in a request's body on its way upstream. Absent = leave as it is. */
export interface BodyChanges {
  model?: string;
  includeUsage?: boolean;
  maxTokens?: { field: 'max_tokens' | 'max_completion_tokens'; value: number };
}

interface RawJson {
  rawJSON(source: string): unknown;
}

/**
 * The body for the upstream. With nothing to change it is the client's own bytes; a field that was absent is spliced in before
 * the closing brace; only a field that has to be replaced costs a new serialisation.
 */
export function upstreamBody(body: Buffer, fields: Record<string, unknown>, changes: BodyChanges): Buffer {
  const wanted = wantedFields(fields, changes);
  if (wanted.length === 0) return body;
  return wanted.some(([name]) => name in fields) ? rewritten(body, wanted) : spliced(body, wanted);
}

function wantedFields(fields: Record<string, unknown>, changes: BodyChanges): [string, unknown][] {
  const wanted: [string, unknown][] = [];
  if (changes.model !== undefined && changes.model !== fields.model) wanted.push(['model', changes.model]);
  if (changes.includeUsage === true) {
    const options = (fields.stream_options ?? {}) as Record<string, unknown>;
    if (options.include_usage !== true) wanted.push(['stream_options', { ...options, include_usage: true }]);
  }
  if (changes.maxTokens !== undefined) wanted.push([changes.maxTokens.field, changes.maxTokens.value]);
  return wanted;
}

function spliced(body: Buffer, wanted: [string, unknown][]): Buffer {
  const end = body.lastIndexOf(CLOSING_BRACE);
  const added = wanted.map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`).join('');
  return Buffer.concat([body.subarray(0, end), Buffer.from(added), body.subarray(end)]);
}

/** Numbers keep the text they came with: a 64-bit `seed` does not survive JavaScript's doubles. */
function rewritten(body: Buffer, wanted: [string, unknown][]): Buffer {
  const { rawJSON } = JSON as unknown as RawJson;
  const keepNumbers = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined && String(value) !== context.source
      ? rawJSON(context.source)
      : value;
  const fields = JSON.parse(body.toString('utf8'), keepNumbers) as Record<string, unknown>;
  for (const [name, value] of wanted) fields[name] = value;
  return Buffer.from(JSON.stringify(fields));
}
