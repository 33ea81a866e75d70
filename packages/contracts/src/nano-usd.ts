import { z } from 'zod';

/** Money on the wire: nano-USD (1e-9 USD) as a decimal string, never a JSON number. */
export const nanoUsdSchema = z.string().regex(/^(0|-?[1-9]\d{0,24})$/, 'expected an integer number of nano-USD as a string');

/** Money that cannot be negative. */
export const nanoUsdAmountSchema = z
  .string()
  .regex(/^(0|[1-9]\d{0,24})$/, 'expected a non-negative integer number of nano-USD as a string');

/** Decimal USD as shown to people and taken from them: "5", "0.25". At most nano-USD resolution. */
export const usdSchema = z
  .string()
  .regex(/^\d{1,7}(\.\d{1,9})?$/, 'expected a decimal amount of US dollars such as "5" or "0.25"');
