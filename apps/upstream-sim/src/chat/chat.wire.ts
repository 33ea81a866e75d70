import { answerText } from '../calls/answer-text.js';
import type { TokenSpan } from '../calls/stream-answer.js';
import type { ChatPlan } from './chat.request.js';

/** The bytes of OpenAI's chat completions, written by hand: every value in them is a number or a string that needs no escape. */

const FINGERPRINT = 'fp_tensorloop_sim';
const NO_AUDIO = '"audio_tokens":0';

/** What tells one answer from the next. */
export interface Identity {
  id: string;
  createdS: number;
}

/** Usage over all choices. */
export function usageJson(plan: ChatPlan): string {
  const completion = plan.completionTokens * plan.choices;
  const reasoning = plan.reasoningTokens * plan.choices;
  const written = plan.cacheWriteTokens > 0 ? `"cache_write_tokens":${plan.cacheWriteTokens},` : '';
  return (
    `{"prompt_tokens":${plan.promptTokens},"completion_tokens":${completion},"total_tokens":${plan.promptTokens + completion},` +
    `"prompt_tokens_details":{"cached_tokens":${plan.cachedTokens},${written}${NO_AUDIO}},` +
    `"completion_tokens_details":{"reasoning_tokens":${reasoning},${NO_AUDIO},"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`
  );
}

/** Choices differ in their seed, so that they differ in their text. */
function choiceText(plan: ChatPlan, choice: number, { from, to }: TokenSpan): string {
  return answerText(plan.seed + choice, from, to);
}

/** Of a call of a tool: arguments as the text they are, in as many parts as the tokens they stand for. */
class ToolCallWriter {
  private readonly text: string;
  private readonly name: string;

  constructor(
    private readonly plan: ChatPlan,
    toolCall: NonNullable<ChatPlan['sim']['toolCall']>,
  ) {
    this.text = JSON.stringify(toolCall.arguments);
    this.name = JSON.stringify(toolCall.name);
  }

  head(choice: number, { id }: Identity): string {
    return `"id":"call_${id}_${choice}","type":"function","function":{"name":${this.name},"arguments":`;
  }

  /** As a JSON string. The last part ends the text. */
  part({ from, to }: TokenSpan): string {
    const { reasoningTokens, completionTokens } = this.plan;
    const at = (token: number) =>
      Math.floor((this.text.length * (token - reasoningTokens)) / (completionTokens - reasoningTokens));
    return JSON.stringify(this.text.slice(at(from), at(to)));
  }

  whole(): string {
    return JSON.stringify(this.text);
  }
}

function toolCallWriter(plan: ChatPlan): ToolCallWriter | null {
  return plan.sim.toolCall ? new ToolCallWriter(plan, plan.sim.toolCall) : null;
}

function finishReason(plan: ChatPlan): string {
  return plan.sim.toolCall && plan.finishReason === 'stop' ? 'tool_calls' : plan.finishReason;
}

/** The body of an answer that is not streamed. */
export function completionJson(plan: ChatPlan, identity: Identity): string {
  const tools = toolCallWriter(plan);
  let choices = '';
  for (let index = 0; index < plan.choices; index++) {
    const span = { from: plan.reasoningTokens, to: plan.completionTokens };
    const said = tools
      ? `"content":null,"tool_calls":[{${tools.head(index, identity)}${tools.whole()}}}]`
      : `"content":"${choiceText(plan, index, span)}"`;
    choices +=
      `${index === 0 ? '' : ','}{"index":${index},"message":{"role":"assistant",${said},"refusal":null,"annotations":[]},` +
      `"logprobs":null,"finish_reason":"${finishReason(plan)}"}`;
  }
  const usage = plan.sim.fault === 'no_usage' ? '' : `"usage":${usageJson(plan)},`;
  return (
    `{"id":"${identity.id}","object":"chat.completion","created":${identity.createdS},"model":${JSON.stringify(plan.model)},` +
    `"choices":[${choices}],${usage}"service_tier":"default","system_fingerprint":"${FINGERPRINT}"}`
  );
}

/** Writes the events of one streamed answer. */
export class ChunkWriter {
  private readonly head: string;
  private readonly tail: string;
  private readonly tools: ToolCallWriter | null;

  constructor(
    private readonly plan: ChatPlan,
    private readonly identity: Identity,
  ) {
    this.tools = toolCallWriter(plan);
    this.head =
      `data: {"id":"${identity.id}","object":"chat.completion.chunk","created":${identity.createdS},"model":${JSON.stringify(plan.model)},` +
      `"service_tier":"default","system_fingerprint":"${FINGERPRINT}","choices":[`;
    this.tail = plan.includeUsage ? '],"usage":null}\n\n' : ']}\n\n';
  }

  role(choice: number): string {
    const role = this.event(choice, `{"role":"assistant","content":${this.tools ? 'null' : '""'},"refusal":null}`, 'null');
    if (!this.tools) return role;
    return role + this.event(choice, `{"tool_calls":[{"index":0,${this.tools.head(choice, this.identity)}""}}]}`, 'null');
  }

  content(choice: number, span: TokenSpan): string {
    const delta = this.tools
      ? `{"tool_calls":[{"index":0,"function":{"arguments":${this.tools.part(span)}}}]}`
      : `{"content":"${choiceText(this.plan, choice, span)}"}`;
    return this.event(choice, delta, 'null');
  }

  finish(choice: number): string {
    return this.event(choice, '{}', `"${finishReason(this.plan)}"`);
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
