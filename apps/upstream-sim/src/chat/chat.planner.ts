import type { Call } from '../calls/call.js';
import type { CallPlan, CallRequest, EndpointPlanner } from '../calls/calls.types.js';
import { isFailure } from '../calls/request-fields.js';
import { answerStream } from '../calls/stream-answer.js';
import { answerWhole } from '../calls/whole-answer.js';
import { type Failure, failureBody } from '../server/openai-error.js';
import { type ChatPlan, planChat } from './chat.request.js';
import { ChunkWriter, completionJson, type Identity } from './chat.wire.js';

export const chatPlanner: EndpointPlanner = {
  endpoint: 'chat.completions',
  failureBody,
  plan(request: CallRequest): CallPlan | Failure {
    const plan = planChat(request);
    if (isFailure(plan)) return plan;
    const { model, stream, sim } = plan;
    return { model, stream, sim, answer: (call) => answer(call, plan) };
  },
};

function answer(call: Call, plan: ChatPlan): Promise<void> {
  const identity: Identity = { id: `chatcmpl-${call.id}`, createdS: Math.floor(call.record.startedAtMs / 1_000) };
  call.serveTokens(plan, plan.choices);
  const reportsUsage = plan.sim.fault !== 'no_usage';
  if (!plan.stream) {
    const body = completionJson(plan, identity);
    return answerWhole(call, { sim: plan.sim, contentType: 'application/json', body, hasUsage: reportsUsage });
  }
  const writer = new ChunkWriter(plan, identity);
  const eachChoice = (event: (choice: number) => string) => {
    let text = '';
    for (let choice = 0; choice < plan.choices; choice++) text += event(choice);
    return text;
  };
  const hasUsage = plan.includeUsage && reportsUsage;
  const { sim, completionTokens, reasoningTokens, choices } = plan;
  return answerStream(call, {
    sim,
    completionTokens,
    reasoningTokens,
    choices,
    opening: () => eachChoice((choice) => writer.role(choice)),
    chunk: (span) => eachChoice((choice) => writer.content(choice, span)),
    ending: () => eachChoice((choice) => writer.finish(choice)) + (hasUsage ? writer.usage() : ''),
    done: writer.done(),
    hasUsage,
  });
}
