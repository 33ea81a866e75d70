import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { modelSchema, PROVIDERS } from '@tensorloop/contracts/model-catalogue';
import { CatalogueFileError, readCatalogueText } from './catalogue-file.dto.js';

const MODEL = `
models:
  - id: gpt-4o-mini
    ownedBy: openai
    endpoints: [chat.completions]
    contextTokens: 128000
    maxOutputTokens: 16384
    aliases: [small]
    deployments:
      - id: azure
        provider: azure-openai
        baseUrl: https://mine.openai.azure.com/openai
        apiVersion: 2025-01-01
        credential: env:AZURE_KEY
        priority: 1
      - id: openai
        provider: openai
        baseUrl: https://api.openai.com/v1
        credential: file:///run/secrets/openai
        weight: 3
        concurrencyMax: 10
        queueMax: 20
`;

function problemsOf(text: string): string[] {
  try {
    readCatalogueText(text);
  } catch (error) {
    if (error instanceof CatalogueFileError) return [...error.problems];
    throw error;
  }
  throw new Error('the file was accepted');
}

describe('a catalogue file', () => {
  it('is what the example in the documentation is', () => {
    const page = readFileSync(new URL('../../../../docs/catalogue.md', import.meta.url), 'utf8');
    const example = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] as string;
    const file = new URL('../../../../infra/catalogue/models.example.yaml', import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(example);
    const deployments = readCatalogueText(example).flatMap((model) => model.deployments);
    expect(new Set(deployments.map(({ provider }) => provider))).toEqual(new Set(PROVIDERS));
  });

  it('is read with defaults for what it does not say', () => {
    const [model] = readCatalogueText(MODEL);
    expect(modelSchema.parse(model)).toEqual(model);
    expect(model).toMatchObject({ tokensPerKilobyteMax: 1_000, imageTokensMax: null, isRetired: false, aliases: ['small'] });
    expect(model?.deployments).toMatchObject([
      { id: 'azure', upstreamModel: 'gpt-4o-mini', apiVersion: '2025-01-01', priority: 1, weight: 1, concurrencyMax: null },
      { id: 'openai', apiVersion: null, priority: 0, weight: 3, concurrencyMax: 10, queueMax: 20, headTimeoutMs: 60_000 },
    ]);
  });

  it('may be JSON', () => {
    const models = readCatalogueText(MODEL);
    const [{ createdAtMs: _, ...model }] = models as [(typeof models)[0]];
    expect(readCatalogueText(JSON.stringify({ models: [model] }, null, 2))).toEqual(models);
  });

  it.each([
    ['a misspelt field', MODEL.replace('weight:', 'wieght:'), /models\[0\]\.deployments\[1\]: .*wieght/],
    ['a provider that nobody knows', MODEL.replace('provider: openai', 'provider: acme'), /deployments\[1\]\.provider/],
    ['no models', 'models: []', /models/],
    ['no deployment', MODEL.replace(/ {4}deployments:[\s\S]*/, ''), /deployments: .*needs a deployment/],
    ['an alias that is a model', MODEL.replace('[small]', '[gpt-4o-mini]'), /"gpt-4o-mini" stands for two models/],
    ['the same deployment twice', MODEL.replace('id: azure', 'id: openai'), /"openai" is used twice/],
    ['broken YAML', `${MODEL}\n  - ]`, /^line \d+, column \d+: /],
  ])('with %s is refused, with its place', (_what, text, problem) => {
    expect(problemsOf(text).join('\n')).toMatch(problem);
  });

  it('names every problem at once', () => {
    expect(
      problemsOf(MODEL.replace('contextTokens: 128000', 'contextTokens: -1').replace('weight: 3', 'weight: x')),
    ).toHaveLength(2);
  });

  it.each([
    ['in place of a reference', MODEL.replace('env:AZURE_KEY', 'sk-planted-secret')],
    ['in broken YAML', `${MODEL}\n  sk-planted-secret: ] [`],
  ])('with a secret %s is refused without repeating it', (_where, text) => {
    expect(problemsOf(text).join()).not.toContain('planted-secret');
  });
});
