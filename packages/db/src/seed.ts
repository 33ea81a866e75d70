import { deploymentSchema } from '@tensorloop/contracts/model-catalogue';
import { parseUsd } from '@tensorloop/kernel/money';
import pg from 'pg';
import { readSeedData, type SeedData } from './seed-data.js';

const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 30_000;
/** Where Anthropic's models are served once another provider than the simulator is chosen. */
const ANTHROPIC = { baseUrl: 'https://api.anthropic.com/v1', credential: 'env:ANTHROPIC_API_KEY' };

export interface SeedOptions {
  /** Where every seeded model is served (but Anthropic's, when it needs a credential), up to and including the version segment: "https://api.openai.com/v1". */
  upstreamBaseUrl: string;
  /** Reference that gateways resolve, such as "env:OPENAI_API_KEY"; null = none sent. */
  credential: string | null;
}

/**
 * Writes plans, models, deployments and prices of `prisma/seed/*.json`. Idempotent. On a second run plans and prices
 * stay as they are (an operator may have changed plans; a price is never rewritten), models follow the file, and
 * deployments follow `options`, so that another provider can be chosen between two starts. Where a deployment is that did
 * not come from here, models and deployments are the operator's: an upgrade must not send their calls elsewhere.
 */
export async function seed(ownerUrl: string, options: SeedOptions): Promise<void> {
  const upstream = deploymentSchema.pick({ baseUrl: true, credential: true }).parse({
    baseUrl: options.upstreamBaseUrl,
    credential: options.credential,
  });
  const data = await readSeedData();
  const anthropic = upstream.credential === null ? upstream : ANTHROPIC;
  const client = new pg.Client({
    connectionString: ownerUrl,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
  });
  await client.connect();
  try {
    await client.query('BEGIN');
    for (const [position, plan] of data.plans.entries()) await seedPlan(client, plan, position);
    const models = (await hasOwnCatalogue(client)) ? [] : data.models;
    for (const model of models) {
      await seedModel(client, model);
      await seedDeployment(client, model, model.provider === 'anthropic' ? anthropic : upstream);
    }
    for (const price of data.prices) await seedPrice(client, price);
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}

async function hasOwnCatalogue(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query("SELECT FROM control.deployments WHERE id <> model_id || ':default' LIMIT 1");
  return rowCount === 1;
}

/** Plans are shown in the order of the file. */
async function seedPlan(client: pg.Client, plan: SeedData['plans'][number], position: number): Promise<void> {
  await client.query(
    `INSERT INTO control.plans (id, name, keys_max, budget_per_key_nano_usd_max, rpm_per_key_max, models, fee_nano_usd,
       rpm_per_account_max, knowledge_bases_max, storage_bytes_max, is_offered, is_custom, position)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING`,
    [
      plan.id,
      plan.name,
      plan.keysMax,
      parseUsd(plan.budgetPerKeyUsdMax).toString(),
      plan.rpmPerKeyMax,
      plan.models,
      parseUsd(plan.feeUsd).toString(),
      plan.rpmPerAccountMax,
      plan.knowledgeBasesMax,
      plan.storageBytesMax,
      plan.isOffered,
      plan.isCustom,
      position,
    ],
  );
}

async function seedModel(client: pg.Client, model: SeedData['models'][number]): Promise<void> {
  // `is_retired` is the operator's and survives.
  await client.query(
    `INSERT INTO control.models (id, owned_by, created_at, endpoints, context_tokens, max_output_tokens,
       tokens_per_kilobyte_max, overhead_tokens, overhead_tokens_per_message, image_tokens_max, aliases)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     ON CONFLICT (id) DO UPDATE SET (owned_by, created_at, endpoints, context_tokens, max_output_tokens,
       tokens_per_kilobyte_max, overhead_tokens, overhead_tokens_per_message, image_tokens_max, aliases)
       = ROW (EXCLUDED.owned_by, EXCLUDED.created_at, EXCLUDED.endpoints, EXCLUDED.context_tokens, EXCLUDED.max_output_tokens,
       EXCLUDED.tokens_per_kilobyte_max, EXCLUDED.overhead_tokens, EXCLUDED.overhead_tokens_per_message, EXCLUDED.image_tokens_max,
       EXCLUDED.aliases)`,
    [
      model.id,
      model.ownedBy,
      model.createdAt,
      model.endpoints,
      model.contextTokens,
      model.maxOutputTokens,
      model.tokensPerKilobyteMax,
      model.overheadTokens,
      model.overheadTokensPerMessage,
      model.imageTokensMax,
      model.aliases,
    ],
  );
}

async function seedDeployment(
  client: pg.Client,
  model: SeedData['models'][number],
  upstream: { baseUrl: string; credential: string | null },
): Promise<void> {
  await client.query(
    `INSERT INTO control.deployments (id, model_id, provider, base_url, upstream_model, credential, head_timeout_ms, idle_timeout_ms)
     VALUES ($1, $2, $7, $3, $2, $4, $5, $6)
     ON CONFLICT (id) DO UPDATE SET (base_url, credential, head_timeout_ms, idle_timeout_ms)
       = ROW (EXCLUDED.base_url, EXCLUDED.credential, EXCLUDED.head_timeout_ms, EXCLUDED.idle_timeout_ms)`,
    [
      `${model.id}:default`,
      model.id,
      upstream.baseUrl,
      upstream.credential,
      model.headTimeoutMs,
      model.idleTimeoutMs,
      model.provider,
    ],
  );
}

async function seedPrice(client: pg.Client, price: SeedData['prices'][number]): Promise<void> {
  await client.query(
    `INSERT INTO metering.price_versions (id, model, effective_from, effective_to, rates)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING`,
    [price.id, price.model, price.effectiveFrom, price.effectiveTo, price.rates],
  );
}
