import { beforeAll, describe, expect, it } from '@jest/globals';
import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { explain } from './explain.js';
import { describeApi } from './openapi.document.js';
import { EXAMPLES } from './openapi.examples.js';
import { GLOSSARY, TAGS } from './openapi.glossary.js';
import { previewRoutes } from './preview.js';

/** What the product has; a document of fewer is blind. */
const WORDS_MIN = 200;

interface Explained {
  name: string;
  description: string;
}

interface Asking {
  requestBody?: { content: { 'application/json': { schema: { $ref: string } } } };
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

describe('the body of every request', () => {
  it('has an example that is valid, and every example is of one', () => {
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    ajv.addSchema({ $id: 'api', ...document });
    const operations = Object.values(document.paths).flatMap((item) => Object.values(item) as unknown as Asking[]);
    const refs = operations.flatMap(({ requestBody }) => requestBody?.content['application/json'].schema.$ref ?? []);
    const names = new Set(refs.map((ref) => ref.split('/').at(-1) as string));
    expect([...names].sort()).toEqual(Object.keys(EXAMPLES).sort());
    for (const [name, example] of Object.entries(EXAMPLES)) {
      const validate = ajv.compile({ $ref: `api#/components/schemas/${name}` });
      expect([name, validate(example), validate.errors]).toEqual([name, true, null]);
      expect(document.components['schemas']?.[name]?.['examples']).toEqual([example]);
    }
  });
});

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
