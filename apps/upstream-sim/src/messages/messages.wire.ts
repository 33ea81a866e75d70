import { answerText } from '../calls/answer-text.js';
import { namedEvent, type TokenSpan } from '../calls/stream-answer.js';
import type { MessagePlan } from './messages.request.js';

type Fields = Record<string, unknown>;

/** Builds the objects and events of one message. */
export class MessageWriter {
  constructor(
    private readonly plan: MessagePlan,
    private readonly id: string,
  ) {}

  whole(): Fields {
    const { seed, reasoningTokens, completionTokens } = this.plan;
    const content = [{ type: 'text', text: answerText(seed, reasoningTokens, completionTokens), citations: null }];
    return this.message(content, this.stopReason(), this.usage(completionTokens));
  }

  opening(): string {
    // The real one counts a token or so of output here and says the true number at the end.
    const begun = this.message([], null, this.usage(Math.min(1, this.plan.completionTokens)));
    const block = { index: 0, content_block: { type: 'text', text: '', citations: null } };
    return namedEvent('message_start', { message: begun }) + namedEvent('content_block_start', block) + namedEvent('ping', {});
  }

  delta({ from, to }: TokenSpan): string {
    const text = answerText(this.plan.seed, from, to);
    return namedEvent('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });
  }

  ending(): string {
    const { completionTokens, sim } = this.plan;
    const usage = sim.fault === 'no_usage' ? {} : { usage: { output_tokens: completionTokens } };
    return (
      namedEvent('content_block_stop', { index: 0 }) +
      namedEvent('message_delta', { delta: { stop_reason: this.stopReason(), stop_sequence: null }, ...usage })
    );
  }

  done(): string {
    return namedEvent('message_stop', {});
  }

  private message(content: Fields[], stopReason: string | null, usage: Fields): Fields {
    const { id, plan } = this;
    const head = { id, type: 'message', role: 'assistant', model: plan.model, content };
    return { ...head, stop_reason: stopReason, stop_sequence: null, ...(plan.sim.fault === 'no_usage' ? {} : { usage }) };
  }

  private stopReason(): string {
    return this.plan.finishReason === 'stop' ? 'end_turn' : 'max_tokens';
  }

  /** Anthropic counts what the cache gave and took beside the input, not inside it. */
  private usage(outputTokens: number): Fields {
    const { promptTokens, cachedTokens, cacheWriteTokens } = this.plan;
    return {
      input_tokens: promptTokens - cachedTokens - cacheWriteTokens,
      cache_creation_input_tokens: cacheWriteTokens,
      cache_read_input_tokens: cachedTokens,
      output_tokens: outputTokens,
      service_tier: 'standard',
    };
  }
}
