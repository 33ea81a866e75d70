import { z } from 'zod';
import { keyCreateSchema } from '../dashboard-api.js';
import { uuid7Schema } from '../identity.js';
import { nanoUsdAmountSchema, usdSchema } from '../nano-usd.js';
import { pageQueryShape, pageSchemaOf } from './pages.js';

const instantSchema = z.iso.datetime();
const nameSchema = keyCreateSchema.shape.name;

export const projectCreateSchema = z.strictObject({
  name: nameSchema,
  /** Per 30 days from now on; null or left out = no cap of its own. */
  budgetUsd: usdSchema.nullable().optional(),
});
export type ProjectCreate = z.infer<typeof projectCreateSchema>;

export const projectPatchSchema = z.strictObject({
  name: nameSchema.optional(),
  /** Null takes the cap away. */
  budgetUsd: usdSchema.nullable().optional(),
  /** False brings an archived project back. */
  archived: z.boolean().optional(),
});
export type ProjectPatch = z.infer<typeof projectPatchSchema>;

export const projectSchema = z.object({
  id: uuid7Schema,
  /** Grows by one with every change: what If-Match is compared with. */
  version: z.number().int(),
  name: z.string(),
  status: z.enum(['active', 'archived']),
  createdAt: instantSchema,
  archivedAt: instantSchema.nullable(),
  activeKeys: z.number().int(),
  budgetUsd: usdSchema.nullable(),
  budgetNanoUsd: nanoUsdAmountSchema.nullable(),
  /** False: what was spent cannot be told at the moment, and the amounts below are null. */
  usageAvailable: z.boolean(),
  /** In the current window of 30 days from the project's creation. */
  spentUsd: usdSchema.nullable(),
  spentNanoUsd: nanoUsdAmountSchema.nullable(),
  heldUsd: usdSchema.nullable(),
  heldNanoUsd: nanoUsdAmountSchema.nullable(),
  /** Null also where no budget caps the project. */
  leftUsd: usdSchema.nullable(),
  leftNanoUsd: nanoUsdAmountSchema.nullable(),
  windowStart: instantSchema,
  resetsAt: instantSchema,
  budgetExhausted: z.boolean(),
});
export type Project = z.infer<typeof projectSchema>;

export const projectPageSchema = pageSchemaOf(projectSchema);
export type ProjectPage = z.infer<typeof projectPageSchema>;

export const projectListQuerySchema = z.strictObject({
  include: z
    .enum(['inactive', 'archived'])
    .optional()
    .describe('`inactive`, as of every list: archived projects too. `archived` says the same.'),
  ...pageQueryShape,
});
export type ProjectListQuery = z.infer<typeof projectListQuerySchema>;
