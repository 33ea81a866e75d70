const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** The longest single event that is waited for; an upstream that sends a longer one is treated as broken. */
export const EVENT_BYTES_MAX = 8 * 1024 * 1024;

/**
 * Cuts a byte stream into blocks of whole SSE events (WHATWG HTML §9.2.6: an event ends at an empty line; lines end in LF, CRLF
 * or CR, of which no provider uses the last alone). What follows the last event boundary waits for the next chunk.
 */
export class SseSplitter {
  private carry: Buffer[] = [];
  private carryBytes = 0;

  /** All whole events now available as one block, or null. The block is a view of the chunk where that is possible. */
  push(chunk: Buffer): Buffer | null {
    const end = this.boundaryIn(chunk);
    if (end === -1) {
      this.carry.push(chunk);
      this.carryBytes += chunk.length;
      return null;
    }
    const head = chunk.subarray(0, end);
    const block = this.carry.length === 0 ? head : Buffer.concat([...this.carry, head]);
    const rest = chunk.subarray(end);
    this.carry = rest.length === 0 ? [] : [rest];
    this.carryBytes = rest.length;
    return block;
  }

  /** What was left when the stream ended, without an event boundary. */
  takeRest(): Buffer | null {
    const rest = this.carryBytes === 0 ? null : Buffer.concat(this.carry);
    this.carry = [];
    this.carryBytes = 0;
    return rest;
  }

  isOverlong(): boolean {
    return this.carryBytes > EVENT_BYTES_MAX;
  }

  /** Offset in `chunk` just behind the last empty line of carry + chunk, or -1. */
  private boundaryIn(chunk: Buffer): number {
    for (let at = chunk.lastIndexOf(LINE_FEED); at !== -1; at = at === 0 ? -1 : chunk.lastIndexOf(LINE_FEED, at - 1)) {
      const before = this.byteBefore(chunk, at - 1);
      if (before === LINE_FEED) return at + 1;
      if (before === CARRIAGE_RETURN && this.byteBefore(chunk, at - 2) === LINE_FEED) return at + 1;
    }
    return -1;
  }

  /** The byte at `index` of the chunk; a negative index reaches back into what was carried over. */
  private byteBefore(chunk: Buffer, index: number): number | undefined {
    let at = index;
    if (at >= 0) return chunk[at];
    for (let part = this.carry.length - 1; part >= 0; part--) {
      const bytes = this.carry[part] as Buffer;
      at += bytes.length;
      if (at >= 0) return bytes[at];
    }
    return undefined;
  }
}
