import { type CallPlan, planCall } from '@tensorloop/bench/replay/call-plan';
import type { TraceRow } from '@tensorloop/bench/replay/trace';
import type { Random } from '../random.js';

/** What the provider was asked to do wrong. */
export const UPSTREAM_FAULTS = ['status', 'cut', 'refuse', 'no_usage'] as const;
export type UpstreamFault = (typeof UPSTREAM_FAULTS)[number];

export interface CallShape extends CallPlan {
  fault: UpstreamFault | null;
  /** The client goes away after so long; null = it stays. */
  leavesAfterMs: number | null;
  latencyMs: number;
  chunkMs: number;
  tokensPerChunk: number;
}

export interface LoadMix {
  streamShare: number;
  upstreamFaultShare: number;
  leavingShare: number;
  longStreamShare: number;
  latencyMsMax: number;
}

/** Few failures of the provider: many would open the circuits, and what is refused then says nothing of our faults. */
export const MIXED: LoadMix = {
  streamShare: 0.55,
  upstreamFaultShare: 0.03,
  leavingShare: 0.07,
  longStreamShare: 0.04,
  latencyMsMax: 150,
};

/** A chat of one letter has as many: its template alone has six. The trace has shorter prompts, which are none of a chat. */
const PROMPT_TOKENS_MIN = 10;
const PROMPT_TOKENS_MAX = 2_000;
const COMPLETION_TOKENS_MAX = 400;
/** English has more: what we count ourselves, where the provider reports nothing, is less than what it is said to have served. */
const BYTES_PER_TOKEN = 3;
const OVERHEAD_TOKENS = 40;
const LONG_STREAM_TOKENS = 900;
const LONG_STREAM_CHUNK_MS = 60;
const FILLER = 'What was served must be in the books exactly once, whatever dies and when. ';
const FILLER_TEXT = FILLER.repeat(Math.ceil((PROMPT_TOKENS_MAX * BYTES_PER_TOKEN) / FILLER.length));

/** Rows of the trace small enough that two cores carry them with everything else. */
export function usableRows(rows: readonly TraceRow[]): TraceRow[] {
  return rows.filter(
    ({ contextTokens, generatedTokens }) =>
      contextTokens >= PROMPT_TOKENS_MIN && contextTokens <= PROMPT_TOKENS_MAX && generatedTokens > 0,
  );
}

/** What becomes of a row of the trace: decided by the row, its number and the seed. */
export function shapeCall(row: TraceRow, index: number, { mix, random }: { mix: LoadMix; random: Random }): CallShape {
  const plan = planCall(
    { ...row, generatedTokens: Math.min(row.generatedTokens, COMPLETION_TOKENS_MAX) },
    index,
    mix.streamShare,
  );
  const isLong = plan.stream && random.chance(mix.longStreamShare);
  const fault = random.chance(mix.upstreamFaultShare) ? random.pick(UPSTREAM_FAULTS) : null;
  const tokens = isLong ? { completionTokens: LONG_STREAM_TOKENS, maxTokens: null, reasoningTokens: 0 } : {};
  return {
    ...plan,
    ...tokens,
    // Who counts an answer without usage cannot know what came from the provider's cache, at half the price.
    ...(fault === 'no_usage' ? { cachedTokens: 0, reasoningTokens: 0 } : {}),
    fault,
    leavesAfterMs: random.chance(mix.leavingShare) ? random.between(10, 600) : null,
    latencyMs: random.between(5, mix.latencyMsMax),
    chunkMs: isLong ? LONG_STREAM_CHUNK_MS : random.between(1, 20),
    tokensPerChunk: 10,
  };
}

/** The JSON body of a chat completion. */
export function shapeBody(shape: CallShape): string {
  const { stream, fault } = shape;
  return JSON.stringify({
    model: shape.model,
    messages: [
      { role: 'user', content: FILLER_TEXT.slice(0, Math.max(1, (shape.promptTokens - OVERHEAD_TOKENS) * BYTES_PER_TOKEN)) },
    ],
    ...(shape.maxTokens === null ? {} : { max_completion_tokens: shape.maxTokens }),
    ...(stream ? { stream: true } : {}),
    ...(shape.includeUsage ? { stream_options: { include_usage: true } } : {}),
    x_sim: {
      promptTokens: shape.promptTokens,
      cachedTokens: shape.cachedTokens,
      completionTokens: shape.completionTokens,
      reasoningTokens: shape.reasoningTokens,
      latencyMs: shape.latencyMs,
      ...(stream ? { chunkMs: shape.chunkMs, tokensPerChunk: shape.tokensPerChunk } : {}),
      ...(fault === null ? {} : { fault }),
    },
  });
}
