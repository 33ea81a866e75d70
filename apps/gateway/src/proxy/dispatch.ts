import type { Upstream } from '../upstreams/upstream.types.js';
import type { AnswerContext } from './answer.js';
import { BufferedAnswer } from './buffered-answer.js';
import type { Endpoint, InferenceRequest } from './endpoint.types.js';
import type { OpenCall } from './open-call.js';
import { StreamAnswer } from './stream-answer.js';
import type { Target } from './target.js';

export interface DispatchParts {
  upstream: Upstream;
  answers: AnswerContext;
}

/** What goes to an upstream. */
export interface Dispatchable {
  endpoint: Endpoint;
  request: InferenceRequest;
  target: Target;
}

/** Sends the call to the first deployment; to the next ones only while nothing has been sent to any. */
export function dispatch(parts: DispatchParts, call: OpenCall, { endpoint, request, target }: Dispatchable): void {
  const remaining = [...target.deployments];
  const tryNext = (): boolean => {
    const deployment = remaining.shift();
    if (deployment === undefined) return false;
    const body = request.bodyFor(deployment, call.options.clamp);
    const headers = request.upstreamHeaders ?? {};
    call.beginAttempt(deployment);
    parts.upstream.send({ deployment, path: endpoint.path, requestId: call.requestId, body, headers }, answer);
    return true;
  };
  const Kind = request.stream ? StreamAnswer : BufferedAnswer;
  const answer = new Kind(call, parts.answers, tryNext);
  tryNext();
}
