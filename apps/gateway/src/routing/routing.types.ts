import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import type { ApiError } from '../errors/api-error.types.js';
import type { AnswerHandler, UpstreamFailure, UpstreamRequest } from '../upstreams/upstream.types.js';

/** An admitted call, as far as routing is concerned. */
export interface RoutedCall {
  readonly exit: { readonly outcome: string | null; readonly isClientGone: boolean };
  beginAttempt(deployment: Deployment): void;
  /** Records how the attempt in progress went; a second call for the same attempt changes nothing. */
  endAttempt(status: number | null, failure: UpstreamFailure | null): void;
}

/** Receives the one answer that the client gets, whichever deployment gave it. */
export interface RoutedAnswer extends AnswerHandler {
  /** What came under a good status was an error, or no whole answer. */
  readonly isBroken?: boolean;
  /** No deployment can be asked. */
  refuse(error: ApiError): void;
}

export interface Routing {
  call: RoutedCall;
  answer: RoutedAnswer;
  deployments: readonly Deployment[];
  requestFor: (deployment: Deployment) => UpstreamRequest;
}

/** How an attempt ended, in the metrics. */
export type AttemptResult = 'answered' | 'refused' | 'failed' | 'queue_timeout';
