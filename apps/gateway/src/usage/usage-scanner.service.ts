import type { RawUsage, ScannedChunk, StreamScanner } from './answer-reading.types.js';
import { SseSplitter } from './sse-splitter.service.js';
import { reportsError } from './usage-reading.service.js';

const USAGE_KEY = Buffer.from('"usage":');
const ERROR_KEY = Buffer.from('"error":');
const REASON_KEY = Buffer.from('"finish_reason":');
const DONE_WORD = Buffer.from('[DONE]');
const DONE = Buffer.from('data: [DONE]\n\n');
const DATA_FIELD = /^data: ?/;
const DATA_FIELDS = [Buffer.from('data: '), Buffer.from('data:')];
const LINE_FEED = 0x0a;
const OPEN_BRACE = 0x7b;
const QUOTE = 0x22;
const EMPTY = Buffer.alloc(0);
const BROKEN: ScannedChunk = { bytes: EMPTY, ending: null, isError: true };

/**
 * Reads the usage event out of a stream without parsing the rest. `"usage":` followed by `{` cannot be model output: inside
 * JSON text every quote is escaped. `data: [DONE]` is withheld (the caller sends it once the call is durable), and so is the
 * usage event when the client did not ask for it. Not all providers send `[DONE]`: a stream is whole as well once it has said why
 * the model stopped or what was used. One that ends with none of the three was cut, however cleanly it was closed.
 */
export class UsageScanner implements StreamScanner {
  usage: RawUsage | null = null;
  /** Events passed so far: with OpenAI's streams about one per output token. */
  events = 0;
  private readonly splitter = new SseSplitter();
  private isWhole = false;

  constructor(private readonly keepsUsageEvent: boolean) {}

  push(chunk: Buffer): ScannedChunk {
    const block = this.splitter.push(chunk);
    return block === null ? { bytes: EMPTY, ending: null, isError: this.splitter.isOverlong() } : this.scan(block);
  }

  /** The stream ended: what is left is scanned as if it were a whole event. */
  finish(): ScannedChunk {
    const rest = this.splitter.takeRest();
    const scanned = rest === null ? { bytes: EMPTY, ending: null, isError: false } : this.scan(rest);
    // Behind half an event the client could not read the one that says so.
    if (scanned.error !== undefined) return { ...BROKEN, error: scanned.error };
    return this.isWhole ? scanned : BROKEN;
  }

  private scan(block: Buffer): ScannedChunk {
    const errorAt = findError(block);
    if (errorAt !== -1) {
      const error = block.subarray(errorAt, eventEnd(block, errorAt));
      return { bytes: this.withoutUsage(block.subarray(0, errorAt)), ending: null, isError: true, error };
    }
    const doneAt = findDone(block);
    if (doneAt !== -1 || findValue(block, REASON) !== -1) this.isWhole = true;
    const bytes = this.withoutUsage(doneAt === -1 ? block : block.subarray(0, doneAt));
    this.events += countEvents(bytes);
    return { bytes, ending: doneAt === -1 ? null : DONE, isError: false };
  }

  private withoutUsage(block: Buffer): Buffer {
    const kept: Buffer[] = [];
    let from = 0;
    for (let at = findValue(block, USAGE); at !== -1; at = findValue(block, USAGE, at + 1)) {
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
    const isUsageOnly = !Array.isArray(parsed.choices) || parsed.choices.length === 0;
    // With every chunk some providers say what was used so far: that ends nothing.
    if (isUsageOnly) this.isWhole = true;
    return isUsageOnly;
  }
}

interface Sought {
  key: Buffer;
  /** What the value may begin with. */
  opening: readonly number[];
}
const USAGE: Sought = { key: USAGE_KEY, opening: [OPEN_BRACE] };
const ERROR: Sought = { key: ERROR_KEY, opening: [OPEN_BRACE, QUOTE] };
const REASON: Sought = { key: REASON_KEY, opening: [QUOTE] };

/** Where a key with such a value begins, from `from` on, or -1. Blanks between the two are allowed. */
function findValue(block: Buffer, { key, opening }: Sought, from = 0): number {
  for (let at = block.indexOf(key, from); at !== -1; at = block.indexOf(key, at + 1)) {
    let next = at + key.length;
    while (block[next] === 0x20 || block[next] === 0x09) next++;
    // An empty text says nothing.
    const isEmpty = block[next] === QUOTE && block[next + 1] === QUOTE;
    if (!isEmpty && opening.includes(block[next] as number)) return at;
  }
  return -1;
}

/** Start of the event that reports an error, wherever in the event it stands, or -1. Errors of choices and tools are none. */
function findError(block: Buffer): number {
  for (let at = findValue(block, ERROR); at !== -1; at = findValue(block, ERROR, at + 1)) {
    const start = eventStart(block, at);
    const event = parseEvent(block.subarray(start, eventEnd(block, at)));
    if (event !== null && reportsError(event)) return start;
    at = eventEnd(block, at) - 1;
  }
  return -1;
}

/** Start of the line that ends the stream, with a blank or without, or -1. Text of the model cannot begin a line. */
function findDone(block: Buffer): number {
  for (let at = block.indexOf(DONE_WORD); at !== -1; at = block.indexOf(DONE_WORD, at + 1)) {
    for (const field of DATA_FIELDS) {
      const start = at - field.length;
      const isLine = start === 0 || block[start - 1] === LINE_FEED;
      if (start >= 0 && isLine && block.compare(field, 0, field.length, start, at) === 0) return start;
    }
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
