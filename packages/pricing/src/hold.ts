import type { Model } from '@tensorloop/contracts/model-catalogue';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { Dimension } from '@tensorloop/contracts/usage';
import { divideCeil, type NanoUsd } from '@tensorloop/kernel/money';
import { RATE_PER_NANO_USD, scaledRate } from './price-version.js';

/** The limits of a model that bound what a call can cost. */
export type ModelLimits = Pick<
  Model,
  | 'contextTokens'
  | 'maxOutputTokens'
  | 'tokensPerKilobyteMax'
  | 'overheadTokens'
  | 'overheadTokensPerMessage'
  | 'imageTokensMax'
>;

/** Dimensions that are no tokens. */
export const UNIT_DIMENSIONS = ['image', 'audio_second', 'character'] as const satisfies readonly Dimension[];
export type UnitDimension = (typeof UNIT_DIMENSIONS)[number];

/** What a request's body says about its size. Counts are of the whole request. */
export interface CallShape {
  /** Bytes of everything the provider turns into tokens; the whole body's length is a safe choice. */
  promptBytes: number;
  messages: number;
  /** Tokens that the client counted itself, given as numbers. */
  tokens?: number;
  /** Images given by reference. */
  images?: number;
  /** Choices asked for (`n`, or `best_of` if larger). Each is generated, and charged, apart; the prompt is charged once. */
  choices?: number;
  /**
   * Texts that the model reads one by one (inputs to embed, pairs of query and document); default 1. The context window and
   * the template's fixed part then count once for each.
   */
  inputs?: number;
  /** What is asked for by the piece: pictures, seconds, characters. Exact, since providers charge what was asked. */
  units?: Partial<Record<UnitDimension, number>>;
  /** True when the body holds something whose tokens cannot be bounded (files, stored history): the context window is held. */
  isInputUnbounded?: boolean;
  /** True when audio goes in or is asked for: audio rates join the rates to hold for. */
  hasAudio?: boolean;
}

/** A call to hold for: the version and the limits of its model, and its shape. */
export interface HoldSubject {
  version: PriceVersion;
  limits: ModelLimits;
  shape: CallShape;
}

export interface Hold {
  /** What the prompt costs at worst. */
  inputNanoUsd: NanoUsd;
  /** What the output costs at worst. */
  outputNanoUsd: NanoUsd;
  /** What is asked for by the piece. */
  unitsNanoUsd: NanoUsd;
  totalNanoUsd: NanoUsd;
}

const INPUT_SIDE: readonly Dimension[] = ['input', 'input_cache_read', 'input_cache_write'];
const OUTPUT_SIDE: readonly Dimension[] = ['output', 'output_reasoning'];
const BYTES_PER_KILOBYTE = 1_000;

/** One side of a call: its dearest rate, and how far rounding line by line may lift its charge above the exact price. */
interface Side {
  rate: bigint;
  roundingNanoUsd: NanoUsd;
}

/** The dearest priced dimension of a side, since any token might turn out to be of it; null when none is priced. */
function dearest(version: PriceVersion, dimensions: readonly Dimension[]): Side | null {
  const rates = dimensions.map((dimension) => scaledRate(version, dimension)).filter((rate) => rate !== null);
  if (rates.length === 0) return null;
  const rate = rates.reduce((max, next) => (next > max ? next : max));
  // Each line rounds up by at most half a nano-USD; one line alone never rounds above its own ceiling.
  return { rate, roundingNanoUsd: BigInt(Math.floor(rates.length / 2)) };
}

function sides({ version, shape }: HoldSubject): { input: Side | null; output: Side | null } {
  const audio = shape.hasAudio === true;
  const input = dearest(version, audio ? [...INPUT_SIDE, 'input_audio'] : INPUT_SIDE);
  const output = dearest(version, audio ? [...OUTPUT_SIDE, 'output_audio'] : OUTPUT_SIDE);
  return { input, output };
}

function sideHold(side: Side, tokens: bigint): NanoUsd {
  return tokens === 0n ? 0n : divideCeil(tokens * side.rate, RATE_PER_NANO_USD) + side.roundingNanoUsd;
}

function choicesOf(shape: CallShape): bigint {
  return BigInt(Math.max(1, shape.choices ?? 1));
}

/**
 * The most input tokens the call can be charged for: bytes × the model's worst factor + template overhead + images,
 * never above the context window, because a provider refuses a longer prompt instead of charging for it.
 * Null when the request has images and the model takes none.
 */
export function inputTokensMax(limits: ModelLimits, shape: CallShape): number | null {
  const images = shape.images ?? 0;
  if (images > 0 && limits.imageTokensMax === null) return null;
  const inputs = Math.max(1, shape.inputs ?? 1);
  const window = limits.contextTokens * inputs;
  if (shape.isInputUnbounded === true) return window;
  const text = Math.ceil((shape.promptBytes * limits.tokensPerKilobyteMax) / BYTES_PER_KILOBYTE);
  const overhead = limits.overheadTokens * inputs + limits.overheadTokensPerMessage * shape.messages;
  return Math.min(window, text + (shape.tokens ?? 0) + overhead + images * (limits.imageTokensMax ?? 0));
}

/**
 * What the call can cost at most when each choice is limited to `outputTokens`. Every token is priced at the dearest
 * rate of its side and every side is rounded up, so no usage within the bounds is ever charged above it.
 * Null when it cannot be bounded: something that will be used has no price, or the model refuses the images in the request.
 */
export function worstCaseHold(subject: HoldSubject, outputTokens: number): Hold | null {
  const rates = sides(subject);
  const inputTokens = inputTokensMax(subject.limits, subject.shape);
  const unitsNanoUsd = unitsHold(subject);
  if (unitsNanoUsd === null || inputTokens === null || (rates.output === null && outputTokens > 0)) return null;
  // Who sells pictures or seconds may charge nothing for the words that describe them; everybody else charges for input.
  if (rates.input === null && subject.shape.units === undefined) return null;
  const inputNanoUsd = rates.input === null ? 0n : sideHold(rates.input, BigInt(inputTokens));
  const outputNanoUsd = rates.output === null ? 0n : sideHold(rates.output, BigInt(outputTokens) * choicesOf(subject.shape));
  return { inputNanoUsd, outputNanoUsd, unitsNanoUsd, totalNanoUsd: inputNanoUsd + outputNanoUsd + unitsNanoUsd };
}

/** Null when something is asked for by the piece that has no price. */
function unitsHold({ version, shape }: HoldSubject): NanoUsd | null {
  let total = 0n;
  for (const dimension of UNIT_DIMENSIONS) {
    const quantity = shape.units?.[dimension];
    if (quantity === undefined) continue;
    const rate = scaledRate(version, dimension);
    if (rate === null) return null;
    total += divideCeil(BigInt(quantity) * rate, RATE_PER_NANO_USD);
  }
  return total;
}

/**
 * The clamp: the most output tokens per choice whose worst-case hold fits into `remainderNanoUsd`, at most the model's
 * own maximum; 0 when not even one fits (or the hold cannot be bounded). One token more would not fit.
 */
export function outputTokensFor(subject: HoldSubject, remainderNanoUsd: NanoUsd): number {
  const { output } = sides(subject);
  const inputs = worstCaseHold(subject, 0);
  if (output === null || inputs === null) return 0;
  const { rate, roundingNanoUsd } = output;
  const left = remainderNanoUsd - inputs.totalNanoUsd - roundingNanoUsd;
  if (left < 0n) return 0;
  if (rate === 0n) return subject.limits.maxOutputTokens;
  const tokens = (left * RATE_PER_NANO_USD) / (rate * choicesOf(subject.shape));
  return tokens > BigInt(subject.limits.maxOutputTokens) ? subject.limits.maxOutputTokens : Number(tokens);
}
