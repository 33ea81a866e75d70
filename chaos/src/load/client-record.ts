import type { GatewayName } from '../topology/parts.js';
import type { UpstreamFault } from './call-shape.js';

/**
 * How a call ended as its client saw it.
 *
 * | ending        | meaning                                                            |
 * |---------------|--------------------------------------------------------------------|
 * | `complete`    | status 200 and the whole answer: a body to its end, or `[DONE]`    |
 * | `refused`     | another status, with its body                                      |
 * | `failed`      | a stream that ended in order, but not with `[DONE]`                |
 * | `left`        | the client went away, as it meant to                               |
 * | `broken`      | the connection ended inside the answer                             |
 * | `unreachable` | the connection ended, or was not made, before any answer           |
 */
export const ENDINGS = ['complete', 'refused', 'failed', 'left', 'broken', 'unreachable'] as const;
export type Ending = (typeof ENDINGS)[number];

/** What one client saw of one call. Times are Unix ms of the machine's own clock. */
export interface ClientRecord {
  index: number;
  gateway: GatewayName;
  keyId: string;
  /** Whose key that is. */
  accountId: string;
  model: string;
  stream: boolean;
  fault: UpstreamFault | null;
  sentAtMs: number;
  headAtMs: number | null;
  endedAtMs: number;
  requestId: string | null;
  status: number | null;
  /** Of the body. */
  bytes: number;
  ending: Ending;
  /** `error.code` of a refusal. */
  code: string | null;
  /** What a whole answer said that it cost. */
  costUsd: string | null;
}

/** Codes that tell of the provider begin so. */
const PROVIDER_CODES = 'upstream_';

/** The installation did not do what it is there for. A refusal of the customer's own making (4xx) is no failure. */
export function isFailure({ ending, status, code, fault }: ClientRecord): boolean {
  if (ending === 'left' || ending === 'complete') return false;
  // Whatever the provider was asked to do wrong: no answer at all, or a refusal before the provider was asked, is our own.
  if (ending === 'unreachable' || (status === 503 && !code?.startsWith(PROVIDER_CODES))) return true;
  if (fault !== null && fault !== 'no_usage') return false;
  return ending === 'refused' ? (status ?? 0) >= 500 : true;
}

export function isSuccess({ ending }: ClientRecord): boolean {
  return ending === 'complete';
}
