import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import fc, { type Arbitrary } from 'fast-check';
import { arbitraryOf, type Components } from './schema-arbitrary.fixture.js';

export interface Operation {
  method: string;
  path: string;
  parameters: { name: string; in: 'path' | 'query' | 'header'; required: boolean; schema: Record<string, unknown> }[];
  requestBody?: { content: { 'application/json': { schema: Record<string, unknown> } } };
  responses: Record<string, { content?: Record<string, { schema: Record<string, unknown> }> }>;
}

/** Who sends a request. `own` ids are filled in when it is sent, since accounts come and go while it runs. */
export type Credential = 'session' | 'token' | 'operator' | 'none' | 'nonsense';
export const OWN_ID = '{own}';

export interface FuzzCase {
  operation: Operation;
  credential: Credential;
  path: string;
  query: [name: string, value: string][];
  headers: Record<string, string>;
  body: string | undefined;
}

const NONSENSE = ['0', '-1', '..', '%00', ' ', 'null', '"', "'; DROP TABLE keys;--", 'ü', '\u{1f511}', 'x'.repeat(300), OWN_ID];
/** A header takes no more than bytes. */
const HEADER_TEXT = /[^\t\x20-\x7e\x80-\xff]/g;

export function operationsOf(document: OpenApiDocument): Operation[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      ...(operation as unknown as Operation),
      method: method.toUpperCase(),
      path,
    })),
  );
}

/** Requests for these operations: most of them almost right. */
export function fuzzCases(document: OpenApiDocument, operations: readonly Operation[]): Arbitrary<FuzzCase> {
  const components = document.components as Components;
  return fc.constantFrom(...operations).chain((operation) =>
    fc.record({
      operation: fc.constant(operation),
      credential: credentialOf(operation),
      path: pathOf(operation, components),
      query: queryOf(operation, components),
      headers: headersOf(operation),
      body: bodyOf(operation, components),
    }),
  );
}

function credentialOf({ path }: Operation): Arbitrary<Credential> {
  const usual: Credential = path.startsWith('/api/operator') ? 'operator' : 'session';
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant<Credential>(usual) },
    { weight: 2, arbitrary: fc.constant<Credential>('token') },
    { weight: 1, arbitrary: fc.constantFrom<Credential[]>('none', 'nonsense') },
  );
}

function pathOf({ path, parameters }: Operation, components: Components): Arbitrary<string> {
  const names = parameters.filter((parameter) => parameter.in === 'path');
  const values = names.map(({ schema }) =>
    fc.oneof({ weight: 4, arbitrary: fc.constant(OWN_ID) }, textFor(schema, components)),
  );
  return fc
    .tuple(...values)
    .map((filled) => names.reduce((text, { name }, index) => text.replace(`{${name}}`, encode(filled[index])), path));
}

function queryOf({ parameters }: Operation, components: Components): Arbitrary<[string, string][]> {
  const fields = parameters
    .filter((parameter) => parameter.in === 'query')
    .map(({ name, required, schema }) => {
      const pair = textFor(schema, components).map((value) => [name, value] as [string, string]);
      return fc.option(pair, { nil: null, freq: required ? 20 : 1 });
    });
  const extra = fc.option(fc.tuple(fc.string({ minLength: 1, maxLength: 8 }), fc.string({ maxLength: 8 })), {
    nil: null,
    freq: 1,
  });
  return fc
    .tuple(fc.tuple(...fields), fc.integer({ min: 0, max: 9 }), extra)
    .map(([pairs, dice, other]) => [...pairs, ...(dice === 0 ? [other] : [])].filter((pair) => pair !== null));
}

function textFor(schema: Record<string, unknown>, components: Components): Arbitrary<string> {
  const right = arbitraryOf(schema, components).map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
  return fc.oneof({ weight: 5, arbitrary: right }, { weight: 1, arbitrary: fc.constantFrom(...NONSENSE) });
}

function headersOf({ parameters }: Operation): Arbitrary<Record<string, string>> {
  const text = fc.oneof(fc.constantFrom('*', '"1"', '"1.abc"', 'W/"1"', 'a'), fc.string({ maxLength: 300 }));
  const fields = parameters
    .filter((parameter) => parameter.in === 'header')
    .map(({ name }) => [name, text.map((value) => value.replaceAll(HEADER_TEXT, ''))] as const);
  return fc.record(Object.fromEntries(fields), { requiredKeys: [] }) as Arbitrary<Record<string, string>>;
}

function bodyOf({ requestBody, method }: Operation, components: Components): Arbitrary<string | undefined> {
  if (requestBody === undefined) {
    return method === 'GET' ? fc.constant(undefined) : fc.option(fc.constantFrom('{}', '[]', '{"a":1}'), { nil: undefined });
  }
  const right = arbitraryOf(requestBody.content['application/json'].schema, components);
  const text = right.map((value) => JSON.stringify(value));
  return fc.oneof(
    { weight: 6, arbitrary: text },
    { weight: 3, arbitrary: fc.tuple(right, fc.nat(), fc.jsonValue({ maxDepth: 2 })).map(spoil) },
    {
      weight: 1,
      arbitrary: fc.oneof(
        fc.json({ maxDepth: 3 }),
        fc.constantFrom('', '{', 'null', '"x"', '[]', '[[[[[]]]]]', '{"__proto__":{}}'),
      ),
    },
  );
}

/** One field of the body is something else, left out, or new. */
function spoil([body, which, value]: [unknown, number, unknown]): string {
  if (typeof body !== 'object' || body === null) return JSON.stringify(value);
  const names = [...Object.keys(body), 'unheardOf'];
  const name = names[which % names.length] as string;
  const { [name]: _, ...rest } = body as Record<string, unknown>;
  return JSON.stringify(which % 3 === 0 ? rest : { ...rest, [name]: value });
}

function encode(value: unknown): string {
  const text = String(value);
  if (text === OWN_ID) return text;
  const encoded = encodeURIComponent(text.toWellFormed());
  // An empty segment, and dots alone, are another address and not another value.
  return /^\.*$/.test(encoded) ? 'x' : encoded;
}
