import type { ChatPlan } from './chat.request.js';
import { answerText } from './chat.text.js';

/** The bytes of OpenAI's chat completions, written by hand: every value in them is a number or a string that needs no escape. */

const FINGERPRINT = 'fp_tensorloop_sim';
const NO_AUDIO = '"audio_tokens":0';

/** Usage over all choices. */
export function usageJson(plan: ChatPlan): string {
  const completion = plan.completionTokens * plan.choices;
  const reasoning = plan.reasoningTokens * plan.choices;
  return (
    `{"prompt_tokens":${plan.promptTokens},"completion_tokens":${completion},"total_tokens":${plan.promptTokens + completion},` +
    `"prompt_tokens_details":{"cached_tokens":${plan.cachedTokens},${NO_AUDIO}},` +
    `"completion_tokens_details":{"reasoning_tokens":${reasoning},${NO_AUDIO},"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`
  );
}

/** Tokens [from, to) of an answer. */
export interface TokenSpan {
  from: number;
  to: number;
}

/** Choices differ in their seed, so that they differ in their text. */
function choiceText(plan: ChatPlan, choice: number, { from, to }: TokenSpan): string {
  return answerText(plan.seed + choice, from, to);
}

/** The body of an answer that is not streamed. */
export function completionJson(plan: ChatPlan, id: string, createdS: number): string {
  let choices = '';
  for (let index = 0; index < plan.choices; index++) {
    const content = choiceText(plan, index, { from: plan.reasoningTokens, to: plan.completionTokens });
    choices +=
      `${index === 0 ? '' : ','}{"index":${index},"message":{"role":"assistant","content":"${content}","refusal":null,"annotations":[]},` +
      `"logprobs":null,"finish_reason":"${plan.finishReason}"}`;
  }
  const usage = plan.sim.fault === 'no_usage' ? '' : `"usage":${usageJson(plan)},`;
  return (
    `{"id":"${id}","object":"chat.completion","created":${createdS},"model":${JSON.stringify(plan.model)},"choices":[${choices}],` +
    `${usage}"service_tier":"default","system_fingerprint":"${FINGERPRINT}"}`
  );
}

/** Writes the events of one streamed answer. */
export class ChunkWriter {
  private readonly head: string;
  private readonly tail: string;
  private readonly plan: ChatPlan;

  constructor(plan: ChatPlan, id: string, createdS: number) {
    this.plan = plan;
    this.head =
      `data: {"id":"${id}","object":"chat.completion.chunk","created":${createdS},"model":${JSON.stringify(plan.model)},` +
      `"service_tier":"default","system_fingerprint":"${FINGERPRINT}","choices":[`;
    this.tail = plan.includeUsage ? '],"usage":null}\n\n' : ']}\n\n';
  }

  role(choice: number): string {
    return this.event(choice, '{"role":"assistant","content":"","refusal":null}', 'null');
  }

  content(choice: number, span: TokenSpan): string {
    return this.event(choice, `{"content":"${choiceText(this.plan, choice, span)}"}`, 'null');
  }

  finish(choice: number): string {
    return this.event(choice, '{}', `"${this.plan.finishReason}"`);
  }

  usage(): string {
    return `${this.head}],"usage":${usageJson(this.plan)}}\n\n`;
  }

  done(): string {
    return 'data: [DONE]\n\n';
  }

  private event(choice: number, delta: string, finishReason: string): string {
    return `${this.head}{"index":${choice},"delta":${delta},"logprobs":null,"finish_reason":${finishReason}}${this.tail}`;
  }
}
