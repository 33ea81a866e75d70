import { isRecord } from '../body/json-body.types.js';
import type { RawUsage, ScannedChunk, StreamScanner } from '../usage/answer-reading.types.js';
import { eventEnd, eventName } from '../usage/sse-event.types.js';
import { SseSplitter } from '../usage/sse-splitter.service.js';
import { parseEvent } from '../usage/usage-scanner.service.js';

const EMPTY = Buffer.alloc(0);
const NOTHING: ScannedChunk = { bytes: EMPTY, ending: null, isError: false };
const BROKEN: ScannedChunk = { bytes: EMPTY, ending: null, isError: true };
/** Events that say that the answer is whole; they carry the response with its usage. */
const ENDINGS = new Set(['response.completed', 'response.incomplete']);
const FAILURES = new Set(['response.failed', 'error']);
const DELTA = '.delta';

/**
 * Reads usage and end out of a stream of the Responses API. What an event is stands in its `event:` line, so that only the last
 * one is parsed. That one is withheld until the call is durable; a stream that ends without it was cut.
 */
export class ResponsesScanner implements StreamScanner {
  usage: RawUsage | null = null;
  events = 0;
  private readonly splitter = new SseSplitter();
  private isWhole = false;

  push(chunk: Buffer): ScannedChunk {
    const block = this.splitter.push(chunk);
    if (block !== null) return this.scan(block);
    return this.splitter.isOverlong() ? BROKEN : NOTHING;
  }

  finish(): ScannedChunk {
    const rest = this.splitter.takeRest();
    const scanned = rest === null ? NOTHING : this.scan(rest);
    return this.isWhole ? scanned : { ...scanned, isError: true };
  }

  private scan(block: Buffer): ScannedChunk {
    for (let start = 0; start < block.length; ) {
      const end = eventEnd(block, start);
      const event = block.subarray(start, end);
      const type = eventName(event) || typeOf(event);
      const bytes = block.subarray(0, start);
      if (FAILURES.has(type)) return { bytes, ending: null, isError: true };
      if (ENDINGS.has(type)) return this.readEnding(event) ? { bytes, ending: event, isError: false } : { ...BROKEN, bytes };
      if (type.endsWith(DELTA)) this.events += 1;
      start = end;
    }
    return { bytes: block, ending: null, isError: false };
  }

  /** False when the event is broken: then the answer is too. */
  private readEnding(event: Buffer): boolean {
    const response = parseEvent(event)?.response;
    if (!isRecord(response)) return false;
    if (isRecord(response.usage)) this.usage = response.usage;
    this.isWhole = true;
    return true;
  }
}

/** Some servers leave the `event:` line out; the same word stands in the data. */
function typeOf(event: Buffer): string {
  const type = parseEvent(event)?.type;
  return typeof type === 'string' ? type : '';
}
