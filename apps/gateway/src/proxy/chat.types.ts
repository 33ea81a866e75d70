import type { CallShape } from '@tensorloop/pricing/hold';

/** What the gateway needs to know of a chat completion request. Everything else passes through unread. */
export interface ChatRequest {
  model: string;
  stream: boolean;
  /** The client asked for the usage event itself. */
  wantsUsage: boolean;
  /** The client's own output limit, or null. */
  maxTokens: number | null;
  shape: CallShape;
  /** Bytes of predicted output: rejected predictions are billed as output above `max_tokens`. */
  predictionBytes: number;
  fields: Record<string, unknown>;
}
