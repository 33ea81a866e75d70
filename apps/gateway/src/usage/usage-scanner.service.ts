import type { RawUsage, ScannedChunk, StreamScanner } from './answer-reading.types.js';
import { SseSplitter } from './sse-splitter.service.js';

const USAGE_KEY = Buffer.from('"usage":');
const DONE_LINE = Buffer.from('data: [DONE]');
const DONE = Buffer.from('data: [DONE]\n\n');
const ERROR_LINE = Buffer.from('data: {"error"');
const DATA_FIELD = /^data: ?/;
const LINE_FEED = 0x0a;
const OPEN_BRACE = 0x7b;
const EMPTY = Buffer.alloc(0);

/**
 * Reads the usage event out of a stream without parsing the rest. `"usage":` followed by `{` cannot be model output: inside
 * JSON text every quote is escaped. `data: [DONE]` is withheld (the caller sends it once the call is durable), and so is the
 * usage event when the client did not ask for it.
 */
export class UsageScanner implements StreamScanner {
  usage: RawUsage | null = null;
  /** Events passed so far: with OpenAI's streams about one per output token. */
  events = 0;
  private readonly splitter = new SseSplitter();

  constructor(private readonly keepsUsageEvent: boolean) {}

  push(chunk: Buffer): ScannedChunk {
    const block = this.splitter.push(chunk);
    return block === null ? { bytes: EMPTY, ending: null, isError: this.splitter.isOverlong() } : this.scan(block);
  }

  /** The stream ended: what is left is scanned as if it were a whole event. */
  finish(): ScannedChunk {
    const rest = this.splitter.takeRest();
    return rest === null ? { bytes: EMPTY, ending: null, isError: false } : this.scan(rest);
  }

  private scan(block: Buffer): ScannedChunk {
    const errorAt = findLine(block, ERROR_LINE);
    if (errorAt !== -1) return { bytes: this.withoutUsage(block.subarray(0, errorAt)), ending: null, isError: true };
    const doneAt = findLine(block, DONE_LINE);
    const bytes = this.withoutUsage(doneAt === -1 ? block : block.subarray(0, doneAt));
    this.events += countEvents(bytes);
    return { bytes, ending: doneAt === -1 ? null : DONE, isError: false };
  }

  private withoutUsage(block: Buffer): Buffer {
    const kept: Buffer[] = [];
    let from = 0;
    for (let at = findUsage(block, 0); at !== -1; at = findUsage(block, at + 1)) {
      const start = eventStart(block, at);
      const end = eventEnd(block, at);
      const isUsageOnly = this.readUsage(block.subarray(start, end));
      if (isUsageOnly && !this.keepsUsageEvent && start >= from) {
        kept.push(block.subarray(from, start));
        from = end;
      }
      at = end - 1;
    }
    if (from === 0) return block;
    kept.push(block.subarray(from));
    return Buffer.concat(kept);
  }

  /** Remembers the event's usage. True when the event carries nothing else (`choices` empty or absent). */
  private readUsage(event: Buffer): boolean {
    const parsed = parseEvent(event);
    if (parsed === null || typeof parsed.usage !== 'object' || parsed.usage === null) return false;
    this.usage = parsed.usage as RawUsage;
    return !Array.isArray(parsed.choices) || parsed.choices.length === 0;
  }
}

/** Where a `"usage":` followed by an object begins, from `from` on, or -1. Blanks between the two are allowed. */
function findUsage(block: Buffer, from: number): number {
  for (let at = block.indexOf(USAGE_KEY, from); at !== -1; at = block.indexOf(USAGE_KEY, at + 1)) {
    let next = at + USAGE_KEY.length;
    while (block[next] === 0x20 || block[next] === 0x09) next++;
    if (block[next] === OPEN_BRACE) return at;
  }
  return -1;
}

/** Start of the line `line` in the block. Text of the model cannot match: a raw line feed cannot stand inside JSON. */
function findLine(block: Buffer, line: Buffer): number {
  for (let at = block.indexOf(line); at !== -1; at = block.indexOf(line, at + 1)) {
    if (at === 0 || block[at - 1] === LINE_FEED) return at;
  }
  return -1;
}

/** Offset behind the empty line that precedes `at`. */
function eventStart(block: Buffer, at: number): number {
  const unix = block.lastIndexOf('\n\n', at);
  const dos = block.lastIndexOf('\n\r\n', at);
  return Math.max(unix === -1 ? 0 : unix + 2, dos === -1 ? 0 : dos + 3);
}

/** Offset behind the empty line that follows `at`. */
function eventEnd(block: Buffer, at: number): number {
  const unix = block.indexOf('\n\n', at);
  const dos = block.indexOf('\n\r\n', at);
  const ends = [unix === -1 ? block.length : unix + 2, dos === -1 ? block.length : dos + 3];
  return Math.min(...ends);
}

function countEvents(block: Buffer): number {
  let count = 0;
  for (let at = block.indexOf('data:'); at !== -1; at = block.indexOf('data:', at + 5)) {
    if (at === 0 || block[at - 1] === LINE_FEED) count++;
  }
  return count;
}

/** The JSON of an event's data lines, or null when it is none. */
export function parseEvent(event: Buffer): Record<string, unknown> | null {
  const lines = event.toString('utf8').split(/\r?\n/);
  const data = lines.filter((line) => DATA_FIELD.test(line)).map((line) => line.replace(DATA_FIELD, ''));
  try {
    const parsed: unknown = JSON.parse(data.join('\n'));
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
