import type { Call } from '../calls/call.js';
import type { CallPlan, CallRequest, EndpointPlanner } from '../calls/calls.types.js';
import { isFailure } from '../calls/request-fields.js';
import { answerStream } from '../calls/stream-answer.js';
import { answerWhole } from '../calls/whole-answer.js';
import { type Failure, failureBody } from '../server/openai-error.js';
import { planResponse, type ResponsePlan } from './responses.request.js';
import { ResponseWriter } from './responses.wire.js';

export const responsesPlanner: EndpointPlanner = {
  endpoint: 'responses',
  failureBody,
  plan(request: CallRequest): CallPlan | Failure {
    const plan = planResponse(request);
    if (isFailure(plan)) return plan;
    const { model, stream, sim } = plan;
    return { model, stream, sim, answer: (call) => answer(call, plan) };
  },
};

function answer(call: Call, plan: ResponsePlan): Promise<void> {
  call.serveTokens(plan, 1);
  const writer = new ResponseWriter(plan, `resp_${call.id}`, Math.floor(call.record.startedAtMs / 1_000));
  const { sim, completionTokens, reasoningTokens } = plan;
  const hasUsage = sim.fault !== 'no_usage';
  if (!plan.stream) {
    return answerWhole(call, { sim, contentType: 'application/json', body: JSON.stringify(writer.whole()), hasUsage });
  }
  return answerStream(call, {
    sim,
    completionTokens,
    reasoningTokens,
    choices: 1,
    opening: () => writer.opening(),
    chunk: (span) => writer.delta(span),
    ending: () => writer.ending(),
    // The last event says that it is the last: there is no [DONE] here.
    done: '',
    hasUsage,
  });
}
