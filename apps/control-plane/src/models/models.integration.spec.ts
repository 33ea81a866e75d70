import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ModelCatalogue, modelCatalogueSchema } from '@tensorloop/contracts/model-catalogue';
import { MODEL_CATALOGUE_KEY } from '@tensorloop/contracts/subjects';
import { seed } from '@tensorloop/db/seed';
import { connectNats } from '@tensorloop/messaging/connection';
import { readSnapshot } from '@tensorloop/messaging/snapshots';
import { ensureBuckets } from '@tensorloop/messaging/streams';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { START_TIMEOUT_MS, startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';

const CHANGE_TIMEOUT_MS = 15_000;

let plane: TestControlPlane;
let read: () => Promise<ModelCatalogue | null>;
let closeNats: () => Promise<void>;
beforeAll(async () => {
  plane = await startControlPlane();
  const connection = await connectNats({ url: plane.nats.url, name: 'spec' });
  const { snapshots } = await ensureBuckets(connection);
  read = async () => (await readSnapshot(snapshots, MODEL_CATALOGUE_KEY, modelCatalogueSchema))?.value ?? null;
  closeNats = () => connection.close();
}, START_TIMEOUT_MS);
afterAll(async () => {
  await closeNats();
  await plane.close();
});

describe('the model catalogue', () => {
  it(
    'is published at boot, and again when a model or its provider changes',
    async () => {
      const first = await waitUntil(read, { what: 'the first snapshot' });
      expect(first.models.map(({ id }) => id)).toEqual(
        expect.arrayContaining(['gpt-4o-mini', 'gpt-4o', 'text-embedding-3-small', 'llama-3.3-70b']),
      );
      expect(first.models.every(({ deployments }) => deployments.length === 1)).toBe(true);
      await plane.database.query("UPDATE control.models SET is_retired = true WHERE id = 'gpt-4o'");
      await seed(plane.database.urls.owner, { upstreamBaseUrl: 'https://api.openai.com/v1', credential: 'env:OPENAI_API_KEY' });
      const changed = await waitUntil(
        async () => {
          const catalogue = await read();
          const model = catalogue?.models.find(({ id }) => id === 'gpt-4o');
          return model?.isRetired === true && model.deployments[0]?.credential === 'env:OPENAI_API_KEY' ? catalogue : null;
        },
        { timeoutMs: CHANGE_TIMEOUT_MS, what: 'the changed snapshot' },
      );
      expect(changed?.revision).toBeGreaterThan(first.revision);
    },
    START_TIMEOUT_MS,
  );
});
