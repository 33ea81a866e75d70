import type { RawUsage, ScannedChunk, StreamScanner } from './answer-reading.types.js';
import { eventEnd } from './sse-event.types.js';
import { SseSplitter } from './sse-splitter.service.js';

const EMPTY = Buffer.alloc(0);
const NOTHING: ScannedChunk = { bytes: EMPTY, ending: null, isError: false };
const BROKEN: ScannedChunk = { bytes: EMPTY, ending: null, isError: true };

/** What an event is to whoever passes it on. The last event says that the answer is whole. */
export type EventRole = 'passed' | 'last' | 'failure';

/**
 * Reads a stream whose events say by a name what they are, so that only those are parsed which a subclass needs. The last
 * event is withheld until the call is durable; a stream that ends without it was cut.
 */
export abstract class NamedEventScanner implements StreamScanner {
  usage: RawUsage | null = null;
  events = 0;
  private readonly splitter = new SseSplitter();
  private isWhole = false;

  /** Called once for each event, in order; counts it and keeps its usage. */
  protected abstract read(event: Buffer): EventRole;

  push(chunk: Buffer): ScannedChunk {
    const block = this.splitter.push(chunk);
    if (block !== null) return this.scan(block);
    return this.splitter.isOverlong() ? BROKEN : NOTHING;
  }

  finish(): ScannedChunk {
    const rest = this.splitter.takeRest();
    const scanned = rest === null ? NOTHING : this.scan(rest);
    // Behind half an event the client could not read the one that says so.
    if (scanned.error !== undefined) return { ...BROKEN, error: scanned.error };
    return this.isWhole ? scanned : BROKEN;
  }

  private scan(block: Buffer): ScannedChunk {
    for (let start = 0; start < block.length; ) {
      const end = eventEnd(block, start);
      const event = block.subarray(start, end);
      const role = this.read(event);
      const bytes = block.subarray(0, start);
      if (role === 'failure') return { bytes, ending: null, isError: true, error: event };
      if (role === 'last') {
        this.isWhole = true;
        return { bytes, ending: event, isError: false };
      }
      start = end;
    }
    return { bytes: block, ending: null, isError: false };
  }
}
