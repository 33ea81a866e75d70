import type { Deployment, Model } from '@tensorloop/contracts/model-catalogue';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import { uuid7 } from '@tensorloop/kernel/uuid7';

export function testModel(
  id: string,
  upstreamUrl: string,
  change: Partial<Model> & { deployment?: Partial<Deployment> } = {},
): Model {
  const { deployment, ...model } = change;
  return {
    id,
    ownedBy: 'test',
    createdAtMs: 1_700_000_000_000,
    endpoints: ['chat.completions'],
    contextTokens: 128_000,
    maxOutputTokens: 16_384,
    tokensPerKilobyteMax: 1_000,
    overheadTokens: 8,
    overheadTokensPerMessage: 8,
    imageTokensMax: null,
    isRetired: false,
    aliases: [],
    deployments: [
      {
        id: `${id}-1`,
        provider: 'openai',
        baseUrl: `${upstreamUrl}/v1`,
        upstreamModel: id,
        credential: 'env:TEST_UPSTREAM_KEY',
        headTimeoutMs: 30_000,
        idleTimeoutMs: 30_000,
        priority: 0,
        weight: 1,
        concurrencyMax: null,
        queueMax: 0,
        apiVersion: null,
        ...deployment,
      },
    ],
    ...model,
  };
}

export function testPrice(model: string): PriceVersion {
  return {
    id: uuid7(),
    model,
    effectiveFromMs: 0,
    effectiveToMs: null,
    rates: { input: '0.15', input_cache_read: '0.075', output: '0.60' },
  };
}
