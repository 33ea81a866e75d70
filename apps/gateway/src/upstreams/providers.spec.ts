import { describe, expect, it } from '@jest/globals';
import { type Deployment, deploymentSchema, PROVIDERS } from '@tensorloop/contracts/model-catalogue';
import { anthropic } from './anthropic/anthropic.service.js';
import { azureOpenAi } from './azure-openai/azure-openai.service.js';
import { openAi } from './openai/openai.service.js';
import type { Providers } from './provider-upstream.service.js';
import type { UpstreamRequest } from './upstream.types.js';

const SECRET = 'planted-secret-0123456789';
const providers: Providers = { openai: openAi, 'azure-openai': azureOpenAi, anthropic };

function requestTo(change: Partial<Deployment> & Pick<Deployment, 'provider' | 'baseUrl'>, path: string): UpstreamRequest {
  const deployment = deploymentSchema.parse({
    id: 'd',
    upstreamModel: 'upstream-model',
    credential: 'env:KEY',
    headTimeoutMs: 1_000,
    idleTimeoutMs: 1_000,
    ...change,
  });
  return { deployment, path, requestId: 'r', body: Buffer.alloc(0) };
}

describe('a provider address', () => {
  it('of OpenAI and its likes is the base URL and the path, with a bearer', () => {
    const request = requestTo({ provider: 'openai', baseUrl: 'https://api.openai.com/v1/' }, '/chat/completions');
    expect(openAi.addressOf(request, SECRET)).toEqual({
      origin: 'https://api.openai.com',
      path: '/v1/chat/completions',
      headers: { authorization: `Bearer ${SECRET}` },
    });
  });

  it('of Azure names its deployment and the API version, with the key in a header', () => {
    const azure = {
      provider: 'azure-openai',
      baseUrl: 'https://mine.openai.azure.com/openai',
      apiVersion: '2025-01-01',
    } as const;
    expect(azureOpenAi.addressOf(requestTo({ ...azure, upstreamModel: 'gpt 4o' }, '/chat/completions'), SECRET)).toEqual({
      origin: 'https://mine.openai.azure.com',
      path: '/openai/deployments/gpt%204o/chat/completions?api-version=2025-01-01',
      headers: { 'api-key': SECRET },
    });
    expect(azureOpenAi.addressOf(requestTo(azure, '/responses'), SECRET).path).toBe('/openai/responses?api-version=2025-01-01');
  });

  it("of Azure's versionless API has OpenAI's paths", () => {
    const azure = { provider: 'azure-openai', baseUrl: 'https://mine.openai.azure.com/openai/v1' } as const;
    expect(azureOpenAi.addressOf(requestTo(azure, '/embeddings'), SECRET).path).toBe('/openai/v1/embeddings');
  });

  it("of Anthropic carries the key and a version, the client's before ours", () => {
    const request = requestTo({ provider: 'anthropic', baseUrl: 'https://api.anthropic.com/v1' }, '/messages');
    expect(anthropic.addressOf(request, SECRET)).toEqual({
      origin: 'https://api.anthropic.com',
      path: '/v1/messages',
      headers: { 'x-api-key': SECRET, 'anthropic-version': '2023-06-01' },
    });
    const own = { ...request, headers: { 'anthropic-version': '2027-01-01', 'x-api-key': "the client's" } };
    expect(anthropic.addressOf(own, SECRET).headers).toEqual({ 'x-api-key': SECRET, 'anthropic-version': '2027-01-01' });
  });

  it.each(PROVIDERS)('of %s has the credential in a header and nowhere else, and none where none is needed', (provider) => {
    const request = requestTo({ provider, baseUrl: 'http://localhost/v1' }, '/chat/completions');
    const { origin, path, headers } = providers[provider].addressOf(request, SECRET);
    expect(JSON.stringify(headers)).toContain(SECRET);
    expect(origin + path).not.toContain(SECRET);
    expect(JSON.stringify(providers[provider].addressOf(request, null))).not.toMatch(/null|undefined|Bearer/);
  });
});
