/**
 * Money is an integer count of nano-USD (1e-9 USD) held in a `bigint`. JavaScript numbers never touch it: a float
 * cannot hold 0.1, and above 2^53 it silently rounds. On the wire it is a decimal string of nano-USD.
 */
export type NanoUsd = bigint;

export const NANO_PER_USD = 1_000_000_000n;

/** Redis scripts compute in doubles (Lua), so no amount stored there may reach 2^53 nano-USD (about 9 million USD). */
export const MAX_SCRIPT_NANO_USD: NanoUsd = 9_007_199_254_740_991n;

const ZERO = 0x30;
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/**
 * Parses a plain decimal ("0.15", "-3") into an integer scaled by 10^scale.
 * Throws RangeError when the text is no plain decimal or has more fraction digits than `scale` can hold exactly.
 */
export function parseDecimal(text: string, scale: number): bigint {
  const match = DECIMAL.exec(text);
  if (!match) throw new RangeError(`not a plain decimal number: ${JSON.stringify(text)}`);
  const [, sign, whole, fraction = ''] = match;
  const significant = fraction.replace(/0+$/, '');
  if (significant.length > scale) {
    throw new RangeError(`${text} has more than ${scale} decimal places and cannot be held exactly`);
  }
  const magnitude = BigInt((whole as string) + significant.padEnd(scale, '0'));
  return sign === '-' ? -magnitude : magnitude;
}

/** Formats an integer scaled by 10^scale as a decimal with at least `minFraction` fraction digits, trailing zeros cut. */
export function formatDecimal(value: bigint, scale: number, minFraction = 0): string {
  const sign = value < 0n ? '-' : '';
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0');
  const pointAt = digits.length - scale;
  let end = digits.length;
  while (end > pointAt + minFraction && digits.charCodeAt(end - 1) === ZERO) end--;
  const whole = digits.slice(0, pointAt);
  return end === pointAt ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(pointAt, end)}`;
}

/** "5" or "0.0005" USD → nano-USD. Throws RangeError below one nano-USD of resolution. */
export function parseUsd(text: string): NanoUsd {
  return parseDecimal(text, 9);
}

/** nano-USD → exact USD decimal, at least two fraction digits ("5.00", "0.0005"). */
export function formatUsd(amount: NanoUsd): string {
  return formatDecimal(amount, 9, 2);
}

/** Integer division of non-negative `numerator` by positive `denominator`, rounded up: holds never round down. */
export function divideCeil(numerator: bigint, denominator: bigint): bigint {
  return (numerator + denominator - 1n) / denominator;
}

/** Integer division of non-negative `numerator` by positive `denominator`, ties to even (banker's rounding, IEEE 754 §4.3.1). */
export function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  const twice = (numerator % denominator) * 2n;
  if (twice > denominator || (twice === denominator && quotient % 2n === 1n)) return quotient + 1n;
  return quotient;
}
