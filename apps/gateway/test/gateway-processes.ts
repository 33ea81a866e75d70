import { fileURLToPath } from 'node:url';
import { type Model, modelCatalogueSchema } from '@tensorloop/contracts/model-catalogue';
import { type PriceVersion, priceBookSchema } from '@tensorloop/contracts/price-book';
import { MODEL_CATALOGUE_KEY, PRICE_BOOK_KEY } from '@tensorloop/contracts/subjects';
import { connectNats } from '@tensorloop/messaging/connection';
import { writeSnapshot } from '@tensorloop/messaging/snapshots';
import { ensureBuckets } from '@tensorloop/messaging/streams';
import { type SourceProcess, startSource } from '@tensorloop/testing/source-process';
import { PEPPER } from './test-keys.js';
import { testPrice } from './test-models.js';

export const UPSTREAM_SECRET = 'sk-test-upstream-0123456789abcdefghijklmnop';
const LISTENING = 'listening';

function entryOf(app: string): string {
  return fileURLToPath(new URL(`../../${app}/src/main.ts`, import.meta.url));
}

export function startGateway(at: {
  folder: string;
  redisUrl: string;
  natsUrl: string;
  environment?: Record<string, string>;
}): Promise<SourceProcess> {
  const environment = {
    PORT: '0',
    REDIS_URL: at.redisUrl,
    NATS_URL: at.natsUrl,
    KEY_PEPPER: PEPPER,
    JOURNAL_DIR: `${at.folder}/journal`,
    // Tests share their event loop with the gateway, and a machine with other tests: what they ask for is not to be shed.
    LATE_MS: '60000',
    // Nor is Redis silent because it waits for a core.
    REDIS_CALL_MS: '2000',
    TEST_UPSTREAM_KEY: UPSTREAM_SECRET,
    LOG_LEVEL: 'debug',
    ...at.environment,
  };
  return startSource(entryOf('gateway'), environment, LISTENING);
}

/** The simulated provider; what it served is kept in `oracleFile`. */
export function startUpstream(oracleFile: string): Promise<SourceProcess> {
  return startSource(entryOf('upstream-sim'), { PORT: '0', ORACLE_FILE: oracleFile }, LISTENING);
}

/** Models and their prices, as control plane and metering publish them. `rates` are other prices than the test price. */
export async function publishSnapshots(
  natsUrl: string,
  models: Model[],
  rates: Record<string, PriceVersion['rates']>,
): Promise<void> {
  const connection = await connectNats({ url: natsUrl, name: 'test' });
  const { snapshots } = await ensureBuckets(connection);
  await writeSnapshot(snapshots, MODEL_CATALOGUE_KEY, { schema: modelCatalogueSchema, value: { v: 1, revision: 1, models } });
  const prices = models.map(({ id }) => ({ ...testPrice(id), ...(rates[id] && { rates: rates[id] }) }));
  await writeSnapshot(snapshots, PRICE_BOOK_KEY, { schema: priceBookSchema, value: { v: 1, revision: 1, prices } });
  await connection.close();
}
