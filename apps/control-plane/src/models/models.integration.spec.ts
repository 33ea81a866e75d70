import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ModelCatalogue, modelCatalogueSchema } from '@tensorloop/contracts/model-catalogue';
import { MODEL_CATALOGUE_KEY } from '@tensorloop/contracts/subjects';
import { seed } from '@tensorloop/db/seed';
import { connectNats } from '@tensorloop/messaging/connection';
import { readSnapshot } from '@tensorloop/messaging/snapshots';
import { ensureBuckets } from '@tensorloop/messaging/streams';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';

let folder: string;
let file: string;
let plane: TestControlPlane;
let read: () => Promise<ModelCatalogue | null>;
let closeNats: () => Promise<void>;
beforeAll(async () => {
  folder = makeTestFolder('catalogue');
  file = join(folder, 'models.yaml');
  plane = await startControlPlane({ MODEL_CATALOGUE_FILE: file });
  const connection = await connectNats({ url: plane.nats.url, name: 'spec' });
  const { snapshots } = await ensureBuckets(connection);
  read = async () => (await readSnapshot(snapshots, MODEL_CATALOGUE_KEY, modelCatalogueSchema))?.value ?? null;
  closeNats = () => connection.close();
});
afterAll(async () => {
  await closeNats();
  await plane.close();
  removeTestFolder(folder);
});

describe('the model catalogue', () => {
  it('is published at boot, and again when a model or its provider changes', async () => {
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
      { what: 'the changed snapshot' },
    );
    expect(changed?.revision).toBeGreaterThan(first.revision);
  });

  it('follows its file while it changes, retires what the file does not name, and survives mistakes in it', async () => {
    const catalogueWhen = (what: string, isTrue: (catalogue: ModelCatalogue) => boolean) =>
      waitUntil(
        async () => {
          const catalogue = await read();
          return catalogue !== null && isTrue(catalogue) ? catalogue : null;
        },
        { what },
      );
    writeFileSync(file, fileOf('http://one.test/v1'));
    const applied = await catalogueWhen('the catalogue of the file', ({ models }) =>
      models.some(({ id, aliases }) => id === 'gpt-4o-mini' && aliases.includes('small')),
    );
    const offered = applied?.models.filter(({ isRetired }) => !isRetired) ?? [];
    expect(offered.map(({ id }) => id)).toEqual(['gpt-4o-mini', 'house-model']);
    expect(offered.map(({ tokenizer }) => tokenizer)).toEqual(['o200k_base', null]);
    expect(offered[0]?.deployments).toEqual([
      expect.objectContaining({ id: 'azure', provider: 'azure-openai', apiVersion: '2025-01-01', priority: 1, weight: 1 }),
      expect.objectContaining({ id: 'openai', weight: 3, concurrencyMax: 10, queueMax: 20, baseUrl: 'http://one.test/v1' }),
    ]);
    expect(applied?.models.filter(({ isRetired }) => isRetired).every(({ deployments }) => deployments.length === 0)).toBe(
      true,
    );

    writeFileSync(file, 'models: [{ id: gpt-4o-mini, credential: sk-planted-secret }]');
    await waitUntil(() => plane.logLines.some((line) => line.includes('models[0].ownedBy')), {
      what: 'the mistake in the log',
    });
    expect(plane.logLines.join()).not.toContain('planted-secret');
    expect((await fetch(`${plane.url}/health/ready`)).status).toBe(200);
    expect((await read())?.revision).toBe(applied?.revision);

    writeFileSync(file, fileOf('http://two.test/v1'));
    await catalogueWhen('the corrected file', ({ models }) =>
      models.some(({ deployments }) => deployments.some(({ baseUrl }) => baseUrl === 'http://two.test/v1')),
    );
    // As an upgrade does: nobody's calls may go elsewhere for it.
    const tables = `SELECT m.*, d.* FROM control.models m LEFT JOIN control.deployments d ON d.model_id = m.id ORDER BY m.id, d.id`;
    const declared = await plane.database.query(tables);
    await seed(plane.database.urls.owner, { upstreamBaseUrl: 'http://elsewhere.test/v1', credential: null });
    expect(await plane.database.query(tables)).toEqual(declared);
  });
});

function fileOf(baseUrl: string): string {
  return `
models:
  - id: gpt-4o-mini
    ownedBy: openai
    endpoints: [chat.completions]
    contextTokens: 128000
    maxOutputTokens: 16384
    aliases: [small]
    tokenizer: o200k_base
    deployments:
      - { id: openai, provider: openai, baseUrl: "${baseUrl}", credential: env:OPENAI_API_KEY, weight: 3, concurrencyMax: 10, queueMax: 20 }
      - id: azure
        provider: azure-openai
        baseUrl: https://mine.openai.azure.com/openai
        apiVersion: 2025-01-01
        credential: file:///run/secrets/azure
        priority: 1
  - id: house-model
    ownedBy: us
    endpoints: [chat.completions, embeddings]
    contextTokens: 32768
    maxOutputTokens: 8192
    deployments:
      - { id: vllm, provider: openai, baseUrl: http://10.0.0.5:8000/v1, upstreamModel: meta-llama/Llama-3.1-8B-Instruct }
`;
}
