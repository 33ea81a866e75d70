import { parseUsd } from '@tensorloop/kernel/money';

const COUNT_MAX = 2_147_483_647;

/** A value on the command line that is none; the message says what was expected. */
export class ValueInvalid extends Error {
  override readonly name = 'ValueInvalid';
}

export const NONE = 'none';

export function parseCount(text: string): number | typeof NONE {
  if (text === NONE) return NONE;
  const count = Number(text);
  if (/^[1-9]\d{0,9}$/.test(text) && count <= COUNT_MAX) return count;
  throw new ValueInvalid(`expected a whole number from 1 to ${COUNT_MAX}, or "none", not ${JSON.stringify(text)}`);
}

const VERSION_MAX = 32_767;

/** The number of a pepper; the column has 15 bits for it. */
export function parseVersion(text: string): number {
  const version = Number(text);
  if (/^[1-9]\d{0,4}$/.test(text) && version <= VERSION_MAX) return version;
  throw new ValueInvalid(`expected the number of a pepper, from 1 to ${VERSION_MAX}, not ${JSON.stringify(text)}`);
}

export function parseUsdText(text: string): string {
  try {
    if (parseUsd(text) > 0n) return text;
  } catch {
    // Said below.
  }
  throw new ValueInvalid(`expected an amount of USD above 0 such as 25 or 0.5, not ${JSON.stringify(text)}`);
}

export function parseKind(text: string): 'metered' | 'prepaid' {
  if (text === 'metered' || text === 'prepaid') return text;
  throw new ValueInvalid(`expected metered or prepaid, not ${JSON.stringify(text)}`);
}
