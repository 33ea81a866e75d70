/**
 * JSON as PostgreSQL prints jsonb: keys by length in bytes and then by bytes, ", " and ": " between, numbers as they were
 * written. What is hashed is that text.
 */

/** A number as it stands in a text: 1.50 and 10^30 would be other text once they were JavaScript numbers. */
export class NumberText {
  constructor(readonly text: string) {}
}

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;

/** JSON.parse, with every number a NumberText. */
export function parseExact(json: string): unknown {
  const revive: Reviver = (_, value, { source }) =>
    typeof value === 'number' ? new NumberText(source ?? String(value)) : value;
  return JSON.parse(json, revive as (key: string, value: unknown) => unknown);
}

/** Of what `parseExact` returned, or of a value without fractions and great numbers. */
export function printJsonb(value: unknown): string {
  if (value instanceof NumberText) return value.text;
  if (Array.isArray(value)) return `[${value.map(printJsonb).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => ({ key: Buffer.from(key), member }));
  members.sort((a, b) => a.key.length - b.key.length || Buffer.compare(a.key, b.key));
  return `{${members.map(({ key, member }) => `${JSON.stringify(key.toString())}: ${printJsonb(member)}`).join(', ')}}`;
}
