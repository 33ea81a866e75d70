import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import type { JsonSchema } from '@tensorloop/nest-kit/openapi/schema-components';
import { EXAMPLES } from './openapi.examples.js';
import { GLOSSARY, TAGS } from './openapi.glossary.js';

/** What was asked for, by where it stands, and what was found for it. */
export interface GlossaryUse {
  /** Entries that said something. */
  used: Set<string>;
  /** Paths of fields and parameters of which nobody says what they mean. */
  missing: string[];
}

interface Parameter {
  name: string;
  description?: string;
  schema: JsonSchema;
}
interface Operation {
  operationId: string;
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: JsonSchema }> };
  responses: Record<string, { content?: Record<string, { schema: JsonSchema }> }>;
}

/** Says of every field, parameter and tag what it means, where its own schema does not, and shows requests. Changes the document. */
export function explain(document: OpenApiDocument): GlossaryUse {
  const use: GlossaryUse = { used: new Set(), missing: [] };
  for (const [name, schema] of Object.entries(document.components['schemas'] ?? {})) {
    explainSchema(schema, name, use);
    if (EXAMPLES[name] !== undefined) schema['examples'] = [EXAMPLES[name]];
  }
  for (const item of Object.values(document.paths))
    for (const operation of Object.values(item)) explainOperation(operation as unknown as Operation, use);
  document.tags = document.tags.map(({ name }) => ({ name, description: find([name], TAGS, use) }));
  return use;
}

function explainOperation({ operationId, parameters = [], requestBody, responses }: Operation, use: GlossaryUse): void {
  for (const parameter of parameters) {
    parameter.description ??=
      (parameter.schema['description'] as string | undefined) ?? wordFor(operationId, parameter.name, use);
  }
  for (const { content = {} } of [requestBody ?? {}, ...Object.values(responses)])
    for (const { schema } of Object.values(content)) explainSchema(schema, operationId, use);
}

function explainSchema(schema: JsonSchema, path: string, use: GlossaryUse): void {
  const properties = (schema['properties'] ?? {}) as Record<string, JsonSchema>;
  for (const [name, property] of Object.entries(properties)) {
    // Which codes there are is said of a refusal itself.
    if (property['description'] === undefined && schema['allOf'] === undefined)
      property['description'] = wordFor(path, name, use);
    explainSchema(property, `${path}.${name}`, use);
  }
  for (const inner of [schema['items'], schema['additionalProperties']]) if (isSchema(inner)) explainSchema(inner, path, use);
  for (const variants of [schema['anyOf'], schema['oneOf']])
    if (Array.isArray(variants)) for (const variant of variants as JsonSchema[]) explainSchema(variant, path, use);
}

function wordFor(path: string, name: string, use: GlossaryUse): string {
  return find([`${path}.${name}`, name], GLOSSARY, use);
}

function find(keys: readonly string[], words: Readonly<Record<string, string>>, { used, missing }: GlossaryUse): string {
  const key = keys.find((candidate) => Object.hasOwn(words, candidate));
  if (key === undefined) missing.push(keys[0] as string);
  else used.add(key);
  return key === undefined ? '' : (words[key] as string);
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null;
}
