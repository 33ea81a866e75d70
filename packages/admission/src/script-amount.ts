import { MAX_SCRIPT_NANO_USD, type NanoUsd } from '@tensorloop/kernel/money';

/**
 * An amount as a script argument. Scripts compute in doubles, which are exact only up to 2^53 − 1; a larger or negative
 * amount is refused here, loudly, because in the script it would silently become another one.
 */
export function scriptAmount(amount: NanoUsd, what: string): string {
  if (amount < 0n || amount > MAX_SCRIPT_NANO_USD) {
    throw new RangeError(`${what} is ${amount} nano-USD; Redis scripts hold 0 to ${MAX_SCRIPT_NANO_USD} exactly`);
  }
  return amount.toString();
}

/**
 * A committed total as a script argument, cut off at the largest exact amount. A total is a fact that cannot be refused,
 * and cutting it off is safe: every limit is below it, so the scope admits nothing more.
 */
export function scriptTotal(total: NanoUsd): string {
  return (total > MAX_SCRIPT_NANO_USD ? MAX_SCRIPT_NANO_USD : total).toString();
}
