const EVENT_FIELD = Buffer.from('event:');
const LATER_EVENT_FIELD = Buffer.from('\nevent:');
const LINE_FEED = 0x0a;

/** Offset behind the empty line that ends the event at `start`. */
export function eventEnd(block: Buffer, start: number): number {
  const unix = block.indexOf('\n\n', start);
  const dos = block.indexOf('\n\r\n', start);
  return Math.min(unix === -1 ? block.length : unix + 2, dos === -1 ? block.length : dos + 3);
}

/** The value of the event's `event:` line, or '' when it has none. Text of the model holds no line feed, so it cannot match. */
export function eventName(event: Buffer): string {
  const isFirst = event.subarray(0, EVENT_FIELD.length).equals(EVENT_FIELD);
  const at = isFirst ? 0 : event.indexOf(LATER_EVENT_FIELD) + 1;
  if (at === 0 && !isFirst) return '';
  const end = event.indexOf(LINE_FEED, at);
  return event.toString('latin1', at + EVENT_FIELD.length, end === -1 ? event.length : end).trim();
}
