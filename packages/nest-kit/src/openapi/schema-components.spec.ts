import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { SchemaComponents, SchemaNames } from './schema-components.js';

const colourSchema = z.enum(['red', 'blue']);
const thingSchema = z.object({ name: z.string().describe('as people call it'), colour: colourSchema.default('red') });
const listSchema = z.object({ data: z.array(thingSchema), at: z.iso.datetime() });

function components(): SchemaComponents {
  return new SchemaComponents(
    new SchemaNames().addExports({ colourSchema, thingSchema, unnamed: listSchema, idSchema: z.string() }),
  );
}

describe('named schemas', () => {
  it('become components that are referred to, under the names of their exports', () => {
    const converted = components();
    const list = converted.convert(listSchema, 'output');
    expect(list).toMatchObject({ properties: { data: { items: { $ref: '#/components/schemas/Thing' } } } });
    const all = converted.all(list);
    expect(Object.keys(all)).toEqual(['Colour', 'Thing']);
    expect(all.Thing).toMatchObject({ properties: { name: { description: 'as people call it' } } });
  });

  it('are two components where what is sent differs from what is answered', () => {
    const converted = components();
    const answered = converted.convert(thingSchema, 'output');
    const sent = converted.convert(thingSchema, 'input');
    expect([answered, sent]).toEqual([{ $ref: '#/components/schemas/Thing' }, { $ref: '#/components/schemas/ThingInput' }]);
    const all = converted.all([answered, sent]);
    expect([all.Thing?.required, all.ThingInput?.required]).toEqual([['name', 'colour'], ['name']]);
  });

  it('that nothing refers to are left out', () => {
    const converted = components();
    converted.convert(thingSchema, 'output');
    expect(converted.all({})).toEqual({});
  });

  it('are taken by the names of exports that end in Schema, and never twice', () => {
    const names = new SchemaNames().addExports({ colourSchema }).addExports({ hueSchema: colourSchema });
    expect(names.get(colourSchema)).toEqual({ id: 'Colour' });
  });
});

describe('a schema', () => {
  it('of an answer forbids no fields, since some may be added; of a request it forbids what it does not know', () => {
    expect(components().convert(z.strictObject({ a: z.string() }), 'output').additionalProperties).toBeUndefined();
    expect(components().convert(z.strictObject({ a: z.string() }), 'input').additionalProperties).toBe(false);
  });

  it('says a format by its name and not by its pattern', () => {
    expect(components().convert(z.iso.datetime(), 'output')).toEqual({ type: 'string', format: 'date-time' });
  });

  it('of a query is given with its fields, whatever its name', () => {
    expect(Object.keys(components().convertInline(thingSchema, 'input').properties as object)).toEqual(['name', 'colour']);
  });
});
