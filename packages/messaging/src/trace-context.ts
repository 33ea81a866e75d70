import { headers, type MsgHdrs } from '@nats-io/transport-node';

/** W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/#traceparent-header). */
export const TRACEPARENT_HEADER = 'traceparent';
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export function isTraceparent(text: string): boolean {
  return TRACEPARENT.test(text);
}

/** Adds the traceparent to the headers (fresh ones when none are given). */
export function withTraceparent(traceparent: string, messageHeaders: MsgHdrs = headers()): MsgHdrs {
  messageHeaders.set(TRACEPARENT_HEADER, traceparent);
  return messageHeaders;
}

/** The valid traceparent of a message, or null. Anything else is ignored: a trace must never break a call. */
export function readTraceparent(messageHeaders: MsgHdrs | undefined): string | null {
  const text = messageHeaders?.get(TRACEPARENT_HEADER) ?? '';
  return isTraceparent(text) ? text : null;
}
