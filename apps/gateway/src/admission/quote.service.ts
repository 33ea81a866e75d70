import type { TokenBound } from '@tensorloop/admission/admission.types';
import type { Model } from '@tensorloop/contracts/model-catalogue';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { NanoUsd } from '@tensorloop/kernel/money';
import { type HoldSubject, inputTokensMax, outputTokensFor, worstCaseHold } from '@tensorloop/pricing/hold';
import { scaledRate } from '@tensorloop/pricing/price-version';
import { type ApiError, apiError, unavailable } from '../errors/api-error.types.js';
import type { ModelStore } from '../models/model-store.service.js';
import type { InferenceRequest } from '../proxy/endpoint.types.js';

/** An output limit below this helps nobody: rather than clamp to less, the call is refused. */
export const CLAMP_TOKENS_MIN = 16;
const BYTES_PER_KILOBYTE = 1_000;
const PRICE_RETRY_SECONDS = 5;

/** What a call costs at worst, at one price version. */
export interface Quote {
  price: PriceVersion;
  subject: HoldSubject;
  holdNanoUsd: NanoUsd;
  /** Below `holdNanoUsd` when the output may be clamped. */
  holdMinNanoUsd: NanoUsd;
  /** Tokens of predicted output, which providers bill above the output limit. */
  predictionTokens: number;
  /** What counts against a token limit until the call ends. */
  tokens: TokenBound;
}

/** The most output tokens that `amountNanoUsd` pays for; 0 = none. */
export function affordableTokens(quote: Quote, amountNanoUsd: NanoUsd): number {
  return Math.max(0, outputTokensFor(quote.subject, amountNanoUsd) - quote.predictionTokens);
}

/** Prices the worst case of a request at the price in force at `atMs`, or says why it cannot be served. */
export function quoteCall(
  store: ModelStore,
  { model, request }: { model: Model; request: InferenceRequest },
  atMs: number,
): Quote | ApiError {
  const price = store.findPrice(model.id, atMs);
  if (price === null)
    return unavailable(
      'model_not_priced',
      `The model "${model.id}" has no price at present and is therefore not served.`,
      PRICE_RETRY_SECONDS,
    );
  const refused = refuseContent(model, price, request);
  if (refused !== null) return refused;
  const subject: HoldSubject = { version: price, limits: model, shape: request.shape };
  const predictionTokens = Math.ceil((request.predictionBytes * model.tokensPerKilobyteMax) / BYTES_PER_KILOBYTE);
  const outputTokens = Math.min(request.maxTokens ?? model.maxOutputTokens, model.maxOutputTokens);
  const hold = worstCaseHold(subject, outputTokens + predictionTokens);
  const isCuttable = request.maxTokens === null;
  const least = isCuttable ? worstCaseHold(subject, Math.min(CLAMP_TOKENS_MIN, outputTokens) + predictionTokens) : hold;
  if (hold === null || least === null)
    return unavailable('model_not_priced', `The model "${model.id}" has no price for this kind of call.`, PRICE_RETRY_SECONDS);
  const holdMinNanoUsd = least.totalNanoUsd;
  const tokens = tokenBound(subject, { worst: outputTokens + predictionTokens, isCuttable });
  return { price, subject, holdNanoUsd: hold.totalNanoUsd, holdMinNanoUsd, predictionTokens, tokens };
}

function tokenBound({ limits, shape }: HoldSubject, output: { worst: number; isCuttable: boolean }): TokenBound {
  const input = inputTokensMax(limits, shape) ?? 0;
  const choices = Math.max(1, shape.choices ?? 1);
  const worst = input + choices * output.worst;
  const least = output.isCuttable ? input + choices * Math.min(CLAMP_TOKENS_MIN, output.worst) : worst;
  return { worst, least };
}

function refuseContent(model: Model, price: PriceVersion, request: InferenceRequest): ApiError | null {
  if ((request.shape.images ?? 0) > 0 && model.imageTokensMax === null) {
    return apiError('unsupported_content', `The model "${model.id}" takes no images.`, {
      param: request.contentField ?? 'messages',
    });
  }
  if (
    request.shape.hasAudio === true &&
    (scaledRate(price, 'input_audio') === null || scaledRate(price, 'output_audio') === null)
  ) {
    return apiError('unsupported_content', `The model "${model.id}" takes and gives no audio here.`, {
      param: request.contentField ?? 'messages',
    });
  }
  return null;
}
