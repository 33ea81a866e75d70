import type { IncomingHttpHeaders } from 'node:http';
import type { Deployment } from '@tensorloop/contracts/model-catalogue';

/** A machine word for why an attempt gave no whole answer; it stands in the call's event (`attempts[].failure`). */
export type UpstreamFailure =
  | 'connect_refused'
  | 'connect_timeout'
  | 'head_timeout'
  | 'idle_timeout'
  | 'cut'
  | 'aborted'
  | 'protocol'
  /** Every place at the deployment was taken for longer than a call may wait: nothing was sent. */
  | 'queue_timeout';

/** Steers the flow of an answer's body. */
export interface UpstreamFlow {
  pause(): void;
  resume(): void;
  /** Gives the answer up; `onFailure('aborted')` follows. */
  abort(): void;
}

/** Receives one answer: a start, a head, data, then either an end or a failure; or a failure alone. */
export interface AnswerHandler {
  /** The request leaves: from here on it can be given up. */
  onStart(flow: UpstreamFlow): void;
  onHead(status: number, headers: IncomingHttpHeaders): void;
  onData(chunk: Buffer): void;
  onEnd(): void;
  onFailure(failure: UpstreamFailure): void;
}

export interface UpstreamRequest {
  deployment: Deployment;
  /** Below the deployment's base URL: "/chat/completions". */
  path: string;
  requestId: string;
  body: Buffer;
  /** Over the usual ones, in lower case: the content type of a form, headers of a provider's own that clients may set. */
  headers?: Readonly<Record<string, string>>;
}

/** The port to providers. */
export interface Upstream {
  send(request: UpstreamRequest, handler: AnswerHandler): void;
  close(): Promise<void>;
}

/** Where a request goes and what identifies the gateway there. */
export interface ProviderAddress {
  origin: string;
  /** From the slash on, with the query. */
  path: string;
  /** Over those of the request: nobody's header may replace the credential. */
  headers: Record<string, string>;
}

/**
 * What differs between providers. Pure: the transport, the credentials and the choice of a deployment are the same for all.
 * The secret is null for deployments that need none.
 */
export interface Provider {
  addressOf(request: UpstreamRequest, secret: string | null): ProviderAddress;
}
