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
  | 'protocol';

/** Steers the flow of an answer's body. */
export interface UpstreamFlow {
  pause(): void;
  resume(): void;
  /** Gives the answer up; `onFailure('aborted')` follows. */
  abort(): void;
}

/** Receives one answer: a head, data, then either an end or a failure; or a failure alone. */
export interface AnswerHandler {
  onHead(status: number, headers: IncomingHttpHeaders, flow: UpstreamFlow): void;
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
}

/** The port to providers. */
export interface Upstream {
  send(request: UpstreamRequest, handler: AnswerHandler): void;
  close(): Promise<void>;
}
