import type { Model } from '@tensorloop/contracts/model-catalogue';
import type { CallShape } from '@tensorloop/pricing/hold';
import { isApiError } from '../errors/api-error.types.js';
import type { ModelStore } from '../models/model-store.service.js';
import type { InferenceRequest } from '../proxy/endpoint.types.js';
import type { PlainTextCount } from '../usage/token-estimator.service.js';
import type { MoneyLeft, QuoteAt } from './admission-gate.service.js';
import { quoteCall } from './quote.service.js';

/** Dense text has about so many bytes a token. No count below that is believed, whatever the tokenizer says. */
const BYTES_PER_TOKEN_MAX = 4;

export interface ExactQuoteParts {
  models: ModelStore;
  /** For one account there is one count at a time. */
  count: (body: Buffer, accountId: string) => Promise<PlainTextCount | null>;
}

/** A call that was refused for its hold. */
export interface RefusedCall {
  model: Model;
  request: InferenceRequest;
  body: Buffer;
}

/** The shape of the same prompt with its texts counted; everything else in it stays bounded by its bytes. */
export function countedShape(shape: CallShape, { tokens, textBytes }: PlainTextCount): CallShape {
  const counted = Math.max(tokens, Math.ceil(textBytes / BYTES_PER_TOKEN_MAX));
  return { ...shape, promptBytes: shape.promptBytes - textBytes, tokens: (shape.tokens ?? 0) + counted };
}

/** Only where the tokenizer is known for certain, and text is all that there is. */
function isCountable({ model, request }: RefusedCall): boolean {
  const { images = 0, hasAudio = false, isInputUnbounded = false } = request.shape;
  const isText = images === 0 && !hasAudio && !isInputUnbounded;
  return model.tokenizer === 'o200k_base' && request.reading.textFormat === 'chat' && isText;
}

/**
 * Prices a refused call again with its prompt counted instead of bounded. Null when that cannot be done for certain, or when
 * even the lowest count there could be would not fit into what is left: then nothing is counted.
 */
export async function exactQuote(parts: ExactQuoteParts, call: RefusedCall, refusal: MoneyLeft): Promise<QuoteAt | null> {
  if (!isCountable(call)) return null;
  const { model, request, body } = call;
  const quoteWith = (shape: CallShape) => (nowMs: number) =>
    quoteCall(parts.models, { model, request: { ...request, shape } }, nowMs);
  const least = quoteWith(countedShape(request.shape, { tokens: 0, textBytes: request.shape.promptBytes }))(refusal.nowMs);
  if (isApiError(least) || least.holdMinNanoUsd > refusal.leftNanoUsd) return null;
  const count = await parts.count(body, refusal.accountId);
  return count === null ? null : quoteWith(countedShape(request.shape, count));
}
