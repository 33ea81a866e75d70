import { beforeAll, describe, expect, it } from '@jest/globals';
import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import { explain } from './explain.js';
import { describeApi } from './openapi.document.js';
import { GLOSSARY, TAGS } from './openapi.glossary.js';
import { previewRoutes } from './preview.js';

/** What the product has; a document of fewer is blind. */
const WORDS_MIN = 200;

interface Explained {
  name: string;
  description: string;
}

let document: OpenApiDocument;
beforeAll(async () => {
  const { routes, baseUrl } = await previewRoutes();
  document = JSON.parse(JSON.stringify(describeApi(routes, baseUrl))) as OpenApiDocument;
});

/** The document as it would be without the glossary's words. */
function unexplained(): OpenApiDocument {
  const words = new Set([...Object.values(GLOSSARY), ...Object.values(TAGS)]);
  const strip = (_: string, value: unknown) => (typeof value === 'string' && words.has(value) ? undefined : value);
  return JSON.parse(JSON.stringify(document, strip)) as OpenApiDocument;
}

describe('every field, parameter and tag of the API', () => {
  it('has words that say what it means', () => {
    const { missing, used } = explain(unexplained());
    expect(missing).toEqual([]);
    expect(used.size).toBeGreaterThan(WORDS_MIN);
  });

  it('needs every word that the glossary has', () => {
    const { used } = explain(unexplained());
    expect([...Object.keys(GLOSSARY), ...Object.keys(TAGS)].filter((word) => !used.has(word))).toEqual([]);
  });

  it('keeps what its own schema says', () => {
    const operation = document.paths['/api/keys']?.['get'] as { parameters: Explained[] } | undefined;
    const cursor = operation?.parameters.find(({ name }) => name === 'cursor');
    expect(cursor?.description).toContain('`nextCursor` of the page before');
  });

  it('that nobody explains is found', () => {
    const strange = unexplained();
    strange.components['schemas'] = { Thing: { properties: { unheardOf: { type: 'string' }, id: { type: 'string' } } } };
    expect(explain(strange).missing).toEqual(['Thing.unheardOf']);
  });
});
