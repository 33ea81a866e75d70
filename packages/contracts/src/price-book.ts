import { z } from 'zod';
import { modelIdSchema, unixMsSchema, uuid7Schema } from './identity.js';
import { dimensionSchema } from './usage.js';

/** USD per million units as an exact decimal, at most 12 fraction digits ("0.075"). */
export const unitPriceSchema = z.string().regex(/^\d{1,9}(\.\d{1,12})?$/, 'expected USD per million as a plain decimal');

/** One immutable price of one model. `effectiveToMs` null = open-ended; the interval is [from, to). */
export const priceVersionSchema = z.object({
  id: uuid7Schema,
  model: modelIdSchema,
  effectiveFromMs: unixMsSchema,
  effectiveToMs: unixMsSchema.nullable(),
  /** USD per million units by dimension. A dimension that is absent cannot be served: its use is refused, never free. */
  rates: z.partialRecord(dimensionSchema, unitPriceSchema),
});
export type PriceVersion = z.infer<typeof priceVersionSchema>;

/** Snapshot in the JetStream KV bucket `snapshots`, key `price-book`: written by metering, cached on disk by gateways. */
export const priceBookSchema = z.object({ v: z.literal(1), revision: z.number().int(), prices: z.array(priceVersionSchema) });
export type PriceBook = z.infer<typeof priceBookSchema>;
