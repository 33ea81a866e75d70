import type { Call } from './call.js';
import type { ChatPlan } from './chat.request.js';
import { completionJson } from './chat.wire.js';

/** Answers in one piece. */
export async function answerWhole(call: Call, plan: ChatPlan): Promise<void> {
  const { record } = call;
  const { fault } = plan.sim;
  const body = completionJson(plan, `chatcmpl-${call.id}`, Math.floor(record.startedAtMs / 1_000));
  const half = body.slice(0, body.length >> 1);
  const whole = fault === 'malformed' ? half : body;
  record.completionTokens = plan.completionTokens * plan.choices;
  record.reasoningTokens = plan.reasoningTokens * plan.choices;
  call.head(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(whole) });
  if (fault === 'cut' || fault === 'cut_json') return call.breakOff(half, 'cut');
  if (fault === 'hang_midstream') return call.hang(half);
  record.usageSent = fault !== 'no_usage' && fault !== 'malformed';
  await call.end(whole, 'completed');
}
