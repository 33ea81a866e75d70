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

/** Why an answer under a good status was none: the status that its error means, an error that names none, or no whole answer. */
export type Flaw = number | 'unclear' | 'broken';

/** Receives the one answer that the client gets, whichever deployment gave it. */
export interface RoutedAnswer extends AnswerHandler {
  /** Whether the client gets it as it comes, and not once it is whole. */
  readonly isPassedOn?: boolean;
  /** Known once the answer has ended or was given up; null = nothing speaks against it. */
  readonly flaw?: Flaw | null;
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
