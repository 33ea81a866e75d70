import { answerText } from '../calls/answer-text.js';
import { namedEvent, type TokenSpan } from '../calls/stream-answer.js';
import type { ResponsePlan } from './responses.request.js';

type Item = Record<string, unknown>;

/** Builds the objects and events of one response. */
export class ResponseWriter {
  private sequence = 0;
  private text = '';
  private readonly messageIndex: number;

  constructor(
    private readonly plan: ResponsePlan,
    private readonly id: string,
    private readonly createdS: number,
  ) {
    this.messageIndex = plan.reasoningTokens > 0 ? 1 : 0;
  }

  /** The whole answer, as JSON or in the last event of a stream. */
  whole(): Item {
    const { plan } = this;
    const isComplete = plan.finishReason === 'stop';
    const status = isComplete ? 'completed' : 'incomplete';
    const text = answerText(plan.seed, plan.reasoningTokens, plan.completionTokens);
    return this.response(status, {
      output: [...this.reasoning(), this.message(status, [this.part(text)])],
      incomplete_details: isComplete ? null : { reason: 'max_output_tokens' },
      ...(plan.sim.fault === 'no_usage' ? {} : { usage: this.usage() }),
    });
  }

  opening(): string {
    const begun = this.response('in_progress', { output: [], incomplete_details: null, usage: null });
    let events = this.event('response.created', { response: begun }) + this.event('response.in_progress', { response: begun });
    for (const item of this.reasoning()) {
      events += this.event('response.output_item.added', { output_index: 0, item });
      events += this.event('response.output_item.done', { output_index: 0, item });
    }
    const item = this.message('in_progress', []);
    events += this.event('response.output_item.added', { output_index: this.messageIndex, item });
    return events + this.event('response.content_part.added', { ...this.place(), part: this.part('') });
  }

  delta({ from, to }: TokenSpan): string {
    const delta = answerText(this.plan.seed, from, to);
    this.text += delta;
    return this.event('response.output_text.delta', { ...this.place(), delta, logprobs: [] });
  }

  ending(): string {
    const whole = this.whole();
    const item = this.message(whole.status as string, [this.part(this.text)]);
    return (
      this.event('response.output_text.done', { ...this.place(), text: this.text, logprobs: [] }) +
      this.event('response.content_part.done', { ...this.place(), part: this.part(this.text) }) +
      this.event('response.output_item.done', { output_index: this.messageIndex, item }) +
      this.event(`response.${whole.status}`, { response: whole })
    );
  }

  private event(type: string, fields: Item): string {
    return namedEvent(type, { sequence_number: this.sequence++, ...fields });
  }

  private response(status: string, fields: Item): Item {
    const { id, createdS, plan } = this;
    const { echoed, model } = plan;
    return { id, object: 'response', created_at: createdS, status, error: null, model, ...echoed, ...fields };
  }

  private reasoning(): Item[] {
    return this.messageIndex === 1 ? [{ id: `rs_${this.id}`, type: 'reasoning', summary: [] }] : [];
  }

  private message(status: string, content: Item[]): Item {
    return { id: `msg_${this.id}`, type: 'message', status, role: 'assistant', content };
  }

  private part(text: string): Item {
    return { type: 'output_text', annotations: [], logprobs: [], text };
  }

  private place(): Item {
    return { item_id: `msg_${this.id}`, output_index: this.messageIndex, content_index: 0 };
  }

  private usage(): Item {
    const { promptTokens, cachedTokens, cacheWriteTokens, completionTokens, reasoningTokens } = this.plan;
    return {
      input_tokens: promptTokens,
      input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: cacheWriteTokens },
      output_tokens: completionTokens,
      output_tokens_details: { reasoning_tokens: reasoningTokens },
      total_tokens: promptTokens + completionTokens,
    };
  }
}
