import type { RawUsage, ScannedChunk, StreamScanner } from '../usage/answer-reading.types.js';
import { eventEnd, eventName } from '../usage/sse-event.types.js';
import { SseSplitter } from '../usage/sse-splitter.service.js';
import { parseEvent } from '../usage/usage-scanner.service.js';

const EMPTY = Buffer.alloc(0);
const NOTHING: ScannedChunk = { bytes: EMPTY, ending: null, isError: false };
const BROKEN: ScannedChunk = { bytes: EMPTY, ending: null, isError: true };

/**
 * Reads usage and end out of a stream of Anthropic's Messages API. What an event is stands in its `event:` line, so only the two
 * that carry usage are parsed: `message_start` (input and caches) and `message_delta` (counts so far, which replace earlier
 * ones). `message_stop` is withheld until the call is durable; a stream that ends without it was cut.
 */
export class MessagesScanner implements StreamScanner {
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
      const name = eventName(event);
      if (name === 'message_stop') {
        this.isWhole = true;
        return { bytes: block.subarray(0, start), ending: event, isError: false };
      }
      if (name === 'error') return { bytes: block.subarray(0, start), ending: null, isError: true };
      if (name === 'content_block_delta') this.events += 1;
      else if (name === 'message_start' || name === 'message_delta') this.readUsage(event);
      start = end;
    }
    return { bytes: block, ending: null, isError: false };
  }

  private readUsage(event: Buffer): void {
    const parsed = parseEvent(event);
    const holder = (parsed?.message ?? parsed) as Record<string, unknown> | null;
    const usage = holder?.usage;
    if (typeof usage !== 'object' || usage === null) return;
    const told = Object.entries(usage).filter(([, value]) => value !== null && value !== undefined);
    this.usage = { ...this.usage, ...Object.fromEntries(told) };
  }
}
