import type { Dispatcher } from '../routing/dispatcher.service.js';
import type { AnswerContext } from './answer.types.js';
import { BufferedAnswer } from './buffered-answer.js';
import type { Endpoint, InferenceRequest } from './endpoint.types.js';
import type { OpenCall } from './open-call.js';
import { StreamAnswer } from './stream-answer.js';
import type { Target } from './target.js';

export interface DispatchParts {
  dispatcher: Dispatcher;
  answers: AnswerContext;
}

/** What goes to an upstream. */
export interface Dispatchable {
  endpoint: Endpoint;
  request: InferenceRequest;
  target: Target;
}

/** Hands the call to routing, which picks the deployments; the body is made for each that is asked. */
export function dispatch(parts: DispatchParts, call: OpenCall, { endpoint, request, target }: Dispatchable): void {
  const Kind = request.stream ? StreamAnswer : BufferedAnswer;
  const { requestId } = call;
  parts.dispatcher.dispatch({
    call,
    answer: new Kind(call, parts.answers),
    deployments: target.deployments,
    requestFor: (deployment) => {
      // From the call, which lets go of it as it ends.
      const asked = call.options.request;
      if (asked === null) throw new Error('a call that has ended was to be sent to a provider');
      const body = asked.bodyFor(deployment, call.options.clamp);
      return { deployment, path: endpoint.path, requestId, body, headers: asked.upstreamHeaders ?? {} };
    },
  });
}
