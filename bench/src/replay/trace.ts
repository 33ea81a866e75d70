/** One request of a trace. */
export interface TraceRow {
  /** Milliseconds after the first row. */
  offsetMs: number;
  contextTokens: number;
  generatedTokens: number;
}

const HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens';
const LINE = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}\.\d{3})\d*,(\d{1,7}),(\d{1,7})$/;

/** A trace that cannot be read as one; the message names the line. */
export class TraceError extends Error {}

/** Parses the CSV of Azure's LLM inference traces. At most `limit` rows. */
export function parseTrace(text: string, limit = Number.POSITIVE_INFINITY): TraceRow[] {
  const lines = text.split(/\r?\n/);
  if (lines[0]?.trim() !== HEADER) throw new TraceError(`line 1 is not the header ${HEADER}`);
  const rows: TraceRow[] = [];
  let firstMs: number | null = null;
  for (let index = 1; index < lines.length && rows.length < limit; index++) {
    const line = (lines[index] as string).trim();
    if (line === '') continue;
    const { atMs, contextTokens, generatedTokens } = parseLine(line, index + 1);
    firstMs ??= atMs;
    rows.push({ offsetMs: Math.max(0, atMs - firstMs), contextTokens, generatedTokens });
  }
  if (rows.length === 0) throw new TraceError('there is no request in it');
  return rows;
}

function parseLine(line: string, lineNumber: number): { atMs: number; contextTokens: number; generatedTokens: number } {
  const [, day, time, context, generated] = LINE.exec(line) ?? [];
  const atMs = Date.parse(`${day}T${time}Z`);
  if (Number.isNaN(atMs)) throw new TraceError(`line ${lineNumber} is no request: ${JSON.stringify(line.slice(0, 80))}`);
  return { atMs, contextTokens: Number(context), generatedTokens: Number(generated) };
}
