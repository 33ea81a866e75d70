import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { PricedCall } from '../usage/usage.types.js';

/** One message of the stream, as far as ingest looks at it. */
export interface IncomingMessage {
  data: Uint8Array;
  streamSequence: number;
  /** When the stream took it, by the clock of NATS (Unix ms). */
  storedAtMs: number;
}

export const QUARANTINE_REASONS = [
  'invalid',
  'id_time',
  'scope_mismatch',
  'price_missing',
  'price_mismatch',
  'payload_mismatch',
  'unbookable',
] as const;
export type QuarantineReason = (typeof QUARANTINE_REASONS)[number];

/** Whom to tell that a call is dealt with, and of which account's totals. */
export interface SettleTarget {
  gatewayId: string;
  accountTag: string;
  requestId: string;
  /** Null when the message was too broken to say: it is acknowledged without totals. */
  account: { id: string; scopes: readonly Scope[] } | null;
}

export interface Rejection {
  reason: QuarantineReason;
  /** For the operator who reads the quarantine. */
  detail: string;
}

/** What the rules make of one message. */
export type Verdict = { target: SettleTarget; call: PricedCall } | { target: SettleTarget | null; rejection: Rejection };

/** A message with its verdict. */
export interface Judged {
  message: IncomingMessage;
  verdict: Verdict;
}

/** A message on its way into quarantine. */
export interface Quarantined extends Rejection {
  message: IncomingMessage;
  requestId: string | null;
}
