import { z } from 'zod';

export type JsonSchema = Record<string, unknown>;
export type Direction = 'input' | 'output';

const LOCAL = '#/$defs/';
const SHARED = '#/components/schemas/';
/** Formats that say it better than the pattern they come with. */
const FORMATS_WITHOUT_PATTERN = new Set(['date-time', 'date', 'email', 'uuid', 'uri']);

/** Names of schemas, beside what `.meta()` and `.describe()` say of them. */
export class SchemaNames extends z.core.$ZodRegistry<{ id: string }> {
  override get(schema: z.core.$ZodType) {
    const [own, described] = [super.get(schema), z.globalRegistry.get(schema)];
    return (own === undefined && described === undefined ? undefined : { ...described, ...own }) as ReturnType<
      z.core.$ZodRegistry<{ id: string }>['get']
    >;
  }

  /** Names `keySchema` of a module of contracts "Key", and so on with every export that is an object, a choice or a list of values. */
  addExports(exports: Record<string, unknown>): this {
    for (const [name, value] of Object.entries(exports)) {
      if (!(value instanceof z.ZodType) || !name.endsWith('Schema') || this.has(value)) continue;
      if (!['object', 'enum', 'union'].includes(value._zod.def.type)) continue;
      this.add(value, { id: `${name.charAt(0).toUpperCase()}${name.slice(1, -'Schema'.length)}` });
    }
    return this;
  }
}

/** Turns Zod schemas into JSON Schema 2020-12; named ones become shared components and are referred to. */
export class SchemaComponents {
  private readonly byName = new Map<string, JsonSchema>();

  constructor(private readonly names: SchemaNames) {}

  convert(schema: z.ZodType, io: Direction): JsonSchema {
    const {
      $schema: _,
      $defs = {},
      ...converted
    } = z.toJSONSchema(schema, {
      io,
      metadata: this.names,
      unrepresentable: 'any',
      override: ({ jsonSchema }) => simplify(jsonSchema, io),
    }) as JsonSchema & { $defs?: Record<string, JsonSchema> };
    const targets = new Map(Object.keys($defs).map((name) => [name, this.nameFor(name, $defs[name] as JsonSchema, io)]));
    for (const [name, target] of targets) this.byName.set(target, redirect($defs[name], targets) as JsonSchema);
    return redirect(converted, targets) as JsonSchema;
  }

  /** The same with the outermost reference followed: for a query's fields, which become parameters. */
  convertInline(schema: z.ZodType, io: Direction): JsonSchema {
    const converted = this.convert(schema, io);
    const name = typeof converted.$ref === 'string' ? converted.$ref.slice(SHARED.length) : undefined;
    return name === undefined ? converted : (this.byName.get(name) as JsonSchema);
  }

  /** By name, in alphabetical order; without those that nothing in `root` refers to. */
  all(root: unknown): Record<string, JsonSchema> {
    const used = new Set<string>();
    const pending = [JSON.stringify(root)];
    for (let text = pending.pop(); text !== undefined; text = pending.pop()) {
      for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
        if (used.has(name as string)) continue;
        used.add(name as string);
        pending.push(JSON.stringify(this.byName.get(name as string)));
      }
    }
    return Object.fromEntries([...used].sort().map((name) => [name, this.byName.get(name) as JsonSchema]));
  }

  /** What is sent may differ from what is answered, in defaults for instance: then the former is another component. */
  private nameFor(name: string, schema: JsonSchema, io: Direction): string {
    const known = this.byName.get(name);
    const identity = new Map([[name, name]]);
    if (known === undefined || JSON.stringify(known) === JSON.stringify(redirect(schema, identity))) return name;
    return io === 'input' ? `${name}Input` : name;
  }
}

function simplify(schema: JsonSchema, io: Direction): void {
  if (typeof schema.format === 'string' && FORMATS_WITHOUT_PATTERN.has(schema.format)) delete schema.pattern;
  // Fields may be added to answers at any time; who forbids them would break on that day.
  if (io === 'output' && schema.additionalProperties === false) delete schema.additionalProperties;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
}

/** A copy whose references lead to the shared components. */
function redirect(node: unknown, targets: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(node)) return node.map((item) => redirect(item, targets));
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).map(([key, value]) => {
    if (key !== '$ref' || typeof value !== 'string' || !value.startsWith(LOCAL)) return [key, redirect(value, targets)];
    const name = value.slice(LOCAL.length);
    return [key, `${SHARED}${targets.get(name) ?? name}`];
  });
  return Object.fromEntries(entries);
}
