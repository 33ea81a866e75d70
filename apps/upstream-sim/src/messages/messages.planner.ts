import type { Call } from '../calls/call.js';
import type { CallPlan, CallRequest, EndpointPlanner } from '../calls/calls.types.js';
import { isFailure } from '../calls/request-fields.js';
import { answerStream } from '../calls/stream-answer.js';
import { answerWhole } from '../calls/whole-answer.js';
import type { Failure } from '../server/openai-error.js';
import { anthropicFailureBody } from './anthropic-error.js';
import { type MessagePlan, planMessage } from './messages.request.js';
import { MessageWriter } from './messages.wire.js';

export const messagesPlanner: EndpointPlanner = {
  endpoint: 'messages',
  failureBody: anthropicFailureBody,
  plan(request: CallRequest): CallPlan | Failure {
    const plan = planMessage(request);
    if (isFailure(plan)) return plan;
    const { model, stream, sim } = plan;
    return { model, stream, sim, answer: (call) => answer(call, plan) };
  },
};

function answer(call: Call, plan: MessagePlan): Promise<void> {
  // Thinking is output to Anthropic, neither counted nor priced apart from it.
  const hidden = plan.reasoningTokens;
  call.serveTokens({ ...plan, reasoningTokens: 0 }, 1);
  const writer = new MessageWriter(plan, `msg_${call.id}`);
  const { sim, completionTokens } = plan;
  const hasUsage = sim.fault !== 'no_usage';
  if (!plan.stream) {
    return answerWhole(call, { sim, contentType: 'application/json', body: JSON.stringify(writer.whole()), hasUsage });
  }
  return answerStream(call, {
    sim,
    completionTokens,
    reasoningTokens: 0,
    choices: 1,
    opening: () => writer.opening(),
    chunk: ({ from, to }) => writer.delta({ from: Math.max(from, hidden), to: Math.max(to, hidden) }),
    ending: () => writer.ending(),
    done: writer.done(),
    hasUsage,
  });
}
