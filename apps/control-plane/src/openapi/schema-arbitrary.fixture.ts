import fc, { type Arbitrary } from 'fast-check';

type Schema = Record<string, unknown>;
export type Components = Record<string, Record<string, Schema>>;

const ITEMS_MAX = 4;
const TEXT_MAX = 40;
/** Levels after which a schema that contains itself is cut off. */
const DEPTH_MAX = 6;
const REF = /^#\/components\/(\w+)\/(.+)$/;
/** Patterns of identifiers: of any 128 bits, so that none of them exists. */
export const UUID7_PATTERN = '-7[0-9a-f]{3}-';

/** Values that a JSON schema of the API's description allows, as far as schemas can say it. */
export function arbitraryOf(schema: Schema, components: Components, depth = DEPTH_MAX): Arbitrary<unknown> {
  const next = (inner: unknown) => arbitraryOf(inner as Schema, components, depth - 1);
  if (depth <= 0) return fc.constant(null);
  if (typeof schema.$ref === 'string') return arbitraryOf(resolve(schema.$ref, components), components, depth);
  if ('const' in schema) return fc.constant(schema.const);
  if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  for (const name of ['anyOf', 'oneOf'] as const) {
    if (Array.isArray(schema[name])) return fc.oneof(...schema[name].map(next));
  }
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => next({ ...schema, type })));
  switch (schema.type) {
    case 'string':
      return textOf(schema);
    case 'integer':
    case 'number':
      return numberOf(schema);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(next(schema.items ?? {}), {
        minLength: Number(schema.minItems ?? 0),
        maxLength: Math.max(Number(schema.minItems ?? 0), Math.min(Number(schema.maxItems ?? ITEMS_MAX), ITEMS_MAX)),
      });
    case 'object':
      return objectOf(schema, next);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

export function resolve(ref: string, components: Components): Schema {
  const [, kind = '', name = ''] = REF.exec(ref) ?? [];
  const found = components[kind]?.[name];
  if (found === undefined) throw new Error(`${ref} leads nowhere`);
  return found;
}

function objectOf(schema: Schema, next: (inner: unknown) => Arbitrary<unknown>): Arbitrary<unknown> {
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  const required = (schema.required ?? []) as string[];
  const fields = Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, next(inner)]));
  const fixed = fc.record(fields, { requiredKeys: required.filter((name) => name in fields) });
  if (typeof schema.additionalProperties !== 'object') return fixed;
  const names = schema.propertyNames === undefined ? fc.string({ maxLength: TEXT_MAX }) : next(schema.propertyNames);
  return fc.dictionary(names as Arbitrary<string>, next(schema.additionalProperties), { maxKeys: ITEMS_MAX });
}

function numberOf(schema: Schema): Arbitrary<number> {
  const min = Number(schema.minimum ?? -1_000_000);
  const max = Number(schema.maximum ?? 1_000_000_000);
  return schema.type === 'integer'
    ? fc.integer({ min: Math.ceil(min), max: Math.floor(max) })
    : fc.double({ min, max, noNaN: true });
}

function textOf(schema: Schema): Arbitrary<string> {
  switch (schema.format) {
    case 'email':
      return fc.uuid().map((id) => `${id}@example.com`);
    case 'date-time':
      return fc
        .date({ min: new Date('1970-01-02'), max: new Date('2100-01-01'), noInvalidDate: true })
        .map((date) => date.toISOString());
    case 'date':
      return fc
        .date({ min: new Date('1970-01-02'), max: new Date('2100-01-01'), noInvalidDate: true })
        .map((date) => date.toISOString().slice(0, 10));
    case 'uuid':
      return fc.uuid({ version: 7 });
    case 'uri':
      return fc.webUrl();
    default:
      return ofPattern(schema) ?? ofLength(schema);
  }
}

/** Null for patterns that the generator cannot read, such as those with lookarounds or Unicode classes. */
function ofPattern({ pattern, minLength = 0, maxLength = Number.MAX_SAFE_INTEGER }: Schema): Arbitrary<string> | null {
  if (typeof pattern !== 'string') return null;
  if (pattern.includes(UUID7_PATTERN)) return fc.uuid({ version: 7 });
  try {
    const texts = fc.stringMatching(new RegExp(pattern, 'u'), { maxLength: Math.min(Number(maxLength), TEXT_MAX) });
    return texts.filter((text) => text.length >= Number(minLength));
  } catch {
    return fc.stringMatching(/^[a-z]{3,20}$/);
  }
}

function ofLength({ minLength = 0, maxLength = TEXT_MAX }: Schema): Arbitrary<string> {
  const bounds = {
    minLength: Number(minLength),
    maxLength: Math.max(Number(minLength), Math.min(Number(maxLength), TEXT_MAX)),
  };
  return fc.oneof(
    { weight: 3, arbitrary: fc.string(bounds) },
    { weight: 1, arbitrary: fc.string({ ...bounds, unit: 'binary' }) },
  );
}
