import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type pg from 'pg';
import {
  bigints,
  booleans,
  byteas,
  dates,
  doubles,
  instants,
  integers,
  jsonbs,
  smallints,
  texts,
  uuids,
} from './binary-arrays.js';
import { type EmptyDatabase, startEmptyDatabase } from './database.fixture.js';

const ID = uuid7();

describe('arrays in binary', () => {
  let database: EmptyDatabase;
  let client: pg.Client;
  beforeAll(async () => {
    database = await startEmptyDatabase();
    client = await database.connect('meteringIngest');
  });
  afterAll(() => database.close());

  it.each([
    ['uuid', uuids([ID, 'ffffffff-ffff-4fff-bfff-0123456789ab']), [ID, 'ffffffff-ffff-4fff-bfff-0123456789ab']],
    ['bigint', bigints(['9223372036854775807', -1n, 7]), ['9223372036854775807', '-1', '7']],
    ['integer', integers([0, -2_147_483_648, 2_147_483_647]), ['0', '-2147483648', '2147483647']],
    ['smallint', smallints([1, 32_767]), ['1', '32767']],
    ['boolean', booleans([true, false]), ['true', 'false']],
    ['float8', doubles([0.1, null, 800.5]), ['0.1', null, '800.5']],
    ['date', dates(['2026-11-21', '1999-12-31', '2028-02-29']), ['2026-11-21', '1999-12-31', '2028-02-29']],
    ['timestamptz', instants([1_795_219_200_123, 0]), ['2026-11-21 00:00:00.123+00', '1970-01-01 00:00:00+00']],
    ['text', texts(['', '"{}",\\', 'ü€😀', 'NULL']), ['', '"{}",\\', 'ü€😀', 'NULL']],
    ['jsonb', jsonbs(['{"a":"ü"}', '[]']), ['{"a": "ü"}', '[]']],
    ['bytea', byteas([Buffer.from([0, 255, 92, 34]), Buffer.alloc(0)]), ['\\x00ff5c22', '\\x']],
    ['text', texts(['x', '']), ['x', '']],
    ['text', texts([]), []],
    ['uuid', uuids([]), []],
  ])('arrive as what they are: %s', async (type, values, expected) => {
    const { rows } = await client.query(`SELECT v::text AS v FROM unnest($1::${type}[]) AS v`, [values]);
    expect(rows).toEqual(expected.map((v) => ({ v })));
  });

  it.each([
    ['bigint above 2^63', () => bigints(['9223372036854775808'])],
    ['bigint with a fraction', () => bigints([1.5])],
    ['integer of 2^31', () => integers([2 ** 31])],
    ['integer with a fraction', () => integers([1.5])],
    ['integer that is no number', () => integers([Number.NaN])],
    ['smallint of 2^15', () => smallints([2 ** 15])],
    ['instant after the last', () => instants([Number.MAX_SAFE_INTEGER * 1_000])],
    ['instant with a fraction', () => instants([0.5])],
    ['UUID that is too short', () => uuids(['no uuid'])],
    ['UUID of other digits', () => uuids([ID.replace('-7', '-g')])],
    ['UUID in upper case', () => uuids(['FFFFFFFF-ffff-4fff-bfff-0123456789ab'])],
    ['UUID with other hyphens', () => uuids([ID.replaceAll('-', '_')])],
    ['day of no month', () => dates(['2026-13-41'])],
    ['31 February', () => dates(['2026-02-31'])],
    ['day with a time', () => dates(['2026-02-01T00:00:00Z'])],
    ['bigint that is no number', () => bigints(['one'])],
    ['text that is none', () => texts([undefined as unknown as string])],
  ])('throw an error of their own for what does not fit, so that its row is found: %s', (_what, encode) => {
    expect(encode).toThrow(expect.objectContaining({ name: 'ArrayEncodingError' }));
  });
});
