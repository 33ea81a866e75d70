import { type PriceVersion, priceVersionSchema } from '@tensorloop/contracts/price-book';
import { dimensionSchema } from '@tensorloop/contracts/usage';

export interface PriceRow {
  id: string;
  model: string;
  effective_from: Date;
  effective_to: Date | null;
  rates: unknown;
}

/** A row that nobody can price with, and why. */
export interface UnfitPrice {
  id: string;
  problem: string;
}

/**
 * One version as the contract has it. Dimensions of a later release are left out: this one refuses calls that use them anyway,
 * and the rates of all others stand. Whatever else does not fit makes the whole row unfit: never a guessed price. No gateway
 * was ever given such a row, so no call can have been admitted at it.
 */
export function readPriceRow(row: PriceRow): PriceVersion | UnfitPrice {
  const parsed = priceVersionSchema.safeParse({
    id: row.id,
    model: row.model,
    effectiveFromMs: row.effective_from.getTime(),
    effectiveToMs: row.effective_to?.getTime() ?? null,
    rates: knownRates(row.rates),
  });
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  return { id: row.id, problem: issues.join('; ') };
}

function knownRates(rates: unknown): unknown {
  if (typeof rates !== 'object' || rates === null || Array.isArray(rates)) return rates;
  return Object.fromEntries(Object.entries(rates).filter(([dimension]) => dimensionSchema.safeParse(dimension).success));
}
