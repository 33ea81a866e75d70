import { z } from 'zod';
import { activityItemSchema } from '../dashboard-api.js';
import { modelIdSchema, uuid7Schema } from '../identity.js';
import { nanoUsdAmountSchema, usdSchema } from '../nano-usd.js';
import { ACTIVITY_STATUSES } from '../rpc.js';
import { dimensionSchema } from '../usage.js';
import { pageQueryShape } from './pages.js';
import { tagFilterSchema } from './tag-filter.js';

const instantSchema = z.iso.datetime();
/** As people and programs write one: with any offset from UTC. */
const instantQuerySchema = z.iso.datetime({ offset: true, message: 'expected an instant such as 2026-11-21T10:00:00Z' });

/** Which calls: those of which everything holds that is given. */
export const activityFilterSchema = z.strictObject({
  status: z
    .enum(['admitted', 'refused', 'all', ...ACTIVITY_STATUSES])
    .default('admitted')
    .describe(
      '`admitted`: all that were let through; `succeeded`, `failed` and `estimated` (their usage was counted here) are parts of them. `refused`: those that were not let through, of the last 30 days. `all`: both in one list, newest first.',
    ),
  keyId: uuid7Schema.optional(),
  model: modelIdSchema.optional(),
  projectId: uuid7Schema.optional(),
  tag: tagFilterSchema.optional().describe('Name and value of a tag: `team=search`.'),
  from: instantQuerySchema.optional().describe('Instant of admission, included.'),
  to: instantQuerySchema.optional().describe('Instant of admission, not included.'),
  requestId: uuid7Schema.optional(),
});
export type ActivityFilter = z.infer<typeof activityFilterSchema>;

export const activityListQuerySchema = activityFilterSchema.extend(pageQueryShape);
export type ActivityListQuery = z.infer<typeof activityListQuerySchema>;

/** Calls in one CSV file at most. A file that would be longer says so in its last row. */
export const ACTIVITY_EXPORT_ROWS_MAX = 100_000;

/** One call in full. Of a refused one: nothing was charged, and nobody was asked. */
export const activityDetailSchema = activityItemSchema.extend({
  completedAt: instantSchema.nullable(),
  dataThrough: instantSchema.describe('Everything that was booked up to this instant is in the answer.'),
  lines: z.array(
    z.object({
      dimension: dimensionSchema,
      quantity: z.number().int(),
      unitPriceUsd: z.string().describe('USD per million units, as it was frozen at admission.'),
      costNanoUsd: nanoUsdAmountSchema,
      costUsd: usdSchema,
    }),
  ),
  /** The providers that were asked, in their order. */
  attempts: z.array(
    z.object({
      provider: z.string(),
      upstreamModel: z.string(),
      status: z.number().int().nullable(),
      failure: z.string().nullable(),
      latencyMs: z.number(),
    }),
  ),
});
export type ActivityDetail = z.infer<typeof activityDetailSchema>;
