import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { modelIdSchema, uuid7Schema } from '@tensorloop/contracts/identity';
import { deploymentSchema, modelSchema } from '@tensorloop/contracts/model-catalogue';
import { usdSchema } from '@tensorloop/contracts/nano-usd';
import { priceVersionSchema } from '@tensorloop/contracts/price-book';
import { z } from 'zod';

/** The same depth from src/ and from dist/. */
const SEED_DIR = path.join(import.meta.dirname, '../../../prisma/seed');

const planSeedSchema = z.strictObject({
  id: z.string().min(1),
  name: z.string().min(1),
  keysMax: z.number().int().positive(),
  budgetPerKeyUsdMax: usdSchema,
  rpmPerKeyMax: z.number().int().positive(),
  models: z.array(z.union([z.literal('*'), modelIdSchema])).min(1),
  /** Per month, apart from usage. */
  feeUsd: usdSchema,
  /** Over all keys of an account; null = no limit of its own. */
  rpmPerAccountMax: z.number().int().positive().nullable(),
  /** Null = unlimited, here and below. */
  knowledgeBasesMax: z.number().int().nonnegative().nullable(),
  storageBytesMax: z
    .string()
    .regex(/^\d{1,18}$/)
    .nullable(),
  isOffered: z.boolean(),
  /** Fee and ceilings are agreed one by one. */
  isCustom: z.boolean(),
});

const modelSeedSchema = z.strictObject({
  ...modelSchema.omit({ createdAtMs: true, isRetired: true, deployments: true }).shape,
  createdAt: z.iso.datetime(),
  /** Whose wire format serves it. */
  provider: deploymentSchema.shape.provider.default('openai'),
  headTimeoutMs: deploymentSchema.shape.headTimeoutMs,
  idleTimeoutMs: deploymentSchema.shape.idleTimeoutMs,
});

const priceSeedSchema = z.strictObject({
  /** Fixed in the file, so that seeding again finds the same version. */
  id: uuid7Schema,
  model: modelIdSchema,
  effectiveFrom: z.iso.datetime(),
  effectiveTo: z.iso.datetime().nullable(),
  rates: priceVersionSchema.shape.rates,
});

export interface SeedData {
  plans: z.infer<typeof planSeedSchema>[];
  models: z.infer<typeof modelSeedSchema>[];
  prices: z.infer<typeof priceSeedSchema>[];
}

/** Plans, models and prices of `prisma/seed/*.json`. Throws when a file does not fit or a model has no price. */
export async function readSeedData(): Promise<SeedData> {
  const [plans, models, prices] = await Promise.all([
    readSeedFile('plans.json', planSeedSchema),
    readSeedFile('models.json', modelSeedSchema),
    readSeedFile('prices.json', priceSeedSchema),
  ]);
  const priced = new Set(prices.map((price) => price.model));
  const unpriced = models.filter((model) => !priced.has(model.id)).map((model) => model.id);
  if (unpriced.length > 0) throw new Error(`models without a price: ${unpriced.join(', ')}`);
  return { plans, models, prices };
}

async function readSeedFile<T>(file: string, schema: z.ZodType<T>): Promise<T[]> {
  const parsed = z
    .array(schema)
    .min(1)
    .safeParse(JSON.parse(await readFile(path.join(SEED_DIR, file), 'utf8')));
  if (!parsed.success) throw new Error(`prisma/seed/${file}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
