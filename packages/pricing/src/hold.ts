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

/** Pictures by what is asked of them. */
export const PICTURE_DIMENSIONS = [
  'image',
  'image_large',
  'image_hd',
  'image_hd_large',
] as const satisfies readonly Dimension[];
export type PictureDimension = (typeof PICTURE_DIMENSIONS)[number];

/** Dimensions that are no tokens. */
export const UNIT_DIMENSIONS = [...PICTURE_DIMENSIONS, 'audio_second', 'character'] as const satisfies readonly Dimension[];
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
  /** What is asked for by the piece, at most: pictures, seconds, characters. */
  units?: Partial<Record<UnitDimension, number>>;
  /** The tokens by which others sell the same: a price that lists them, and no pieces, serves the call too. */
  unitTokens?: 'input_audio' | 'output_image';
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

interface SideDimensions {
  input: readonly Dimension[];
  output: readonly Dimension[];
}
const PLAIN: SideDimensions = { input: INPUT_SIDE, output: OUTPUT_SIDE };
const WITH_AUDIO: SideDimensions = { input: [...INPUT_SIDE, 'input_audio'], output: [...OUTPUT_SIDE, 'output_audio'] };
const WITH_UNIT_TOKENS: Record<NonNullable<CallShape['unitTokens']>, SideDimensions> = {
  input_audio: { input: [...INPUT_SIDE, 'input_audio'], output: OUTPUT_SIDE },
  output_image: { input: [...INPUT_SIDE, 'input_image'], output: [...OUTPUT_SIDE, 'output_image'] },
};

/** One side of a call: its dearest rate, and how far rounding line by line may lift its charge above the exact price. */
interface Side {
  rate: bigint;
  roundingNanoUsd: NanoUsd;
}

/** Versions never change and the lists of dimensions are the few above, so each pair is looked at once. */
const dearestByVersion = new WeakMap<PriceVersion, Map<readonly Dimension[], Side | null>>();

/** The dearest priced dimension of a side, since any token might turn out to be of it; null when none is priced. */
function dearest(version: PriceVersion, dimensions: readonly Dimension[]): Side | null {
  let known = dearestByVersion.get(version);
  if (known === undefined) {
    known = new Map();
    dearestByVersion.set(version, known);
  }
  let side = known.get(dimensions);
  if (side === undefined) {
    side = findDearest(version, dimensions);
    known.set(dimensions, side);
  }
  return side;
}

function findDearest(version: PriceVersion, dimensions: readonly Dimension[]): Side | null {
  const rates = dimensions.map((dimension) => scaledRate(version, dimension)).filter((rate) => rate !== null);
  if (rates.length === 0) return null;
  const rate = rates.reduce((max, next) => (next > max ? next : max));
  // Each line rounds up by at most half a nano-USD; one line alone never rounds above its own ceiling.
  return { rate, roundingNanoUsd: BigInt(Math.floor(rates.length / 2)) };
}

function sides({ version, shape }: HoldSubject): { input: Side | null; output: Side | null } {
  const own = shape.unitTokens === undefined ? PLAIN : WITH_UNIT_TOKENS[shape.unitTokens];
  const dimensions = shape.hasAudio === true ? WITH_AUDIO : own;
  return { input: dearest(version, dimensions.input), output: dearest(version, dimensions.output) };
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
  if (inputTokens === null || (unitsNanoUsd === null && !isSoldByToken(subject))) return null;
  // Who sells by the piece may charge nothing for the words about it; everybody else charges for what goes in and comes out.
  const isSoldByPiece = unitsNanoUsd !== null && subject.shape.units !== undefined;
  if (!isSoldByPiece && (rates.input === null || (rates.output === null && outputTokens > 0))) return null;
  const inputNanoUsd = rates.input === null ? 0n : sideHold(rates.input, BigInt(inputTokens));
  const outputNanoUsd = rates.output === null ? 0n : sideHold(rates.output, BigInt(outputTokens) * choicesOf(subject.shape));
  const piecesNanoUsd = unitsNanoUsd ?? 0n;
  return {
    inputNanoUsd,
    outputNanoUsd,
    unitsNanoUsd: piecesNanoUsd,
    totalNanoUsd: inputNanoUsd + outputNanoUsd + piecesNanoUsd,
  };
}

/** A price that lists some pieces and not the one asked for is a gap in it, and not another way to charge. */
function isSoldByToken({ version, shape }: HoldSubject): boolean {
  if (shape.unitTokens === undefined || scaledRate(version, shape.unitTokens) === null) return false;
  return UNIT_DIMENSIONS.every((dimension) => scaledRate(version, dimension) === null);
}

/** Null when something is asked for by the piece that has no price by the piece. */
function unitsHold({ version, shape }: HoldSubject): NanoUsd | null {
  let total = 0n;
  if (shape.units === undefined) return total;
  for (const dimension of UNIT_DIMENSIONS) {
    const quantity = shape.units[dimension];
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
