/**
 * One-dimensional arrays in PostgreSQL's binary format (array_recv, and the receive function of the element's type): neither
 * side has to write or read thousands of values as quoted text. The driver sends a Buffer as a binary parameter. What does
 * not fit its type throws an ArrayEncodingError here.
 */

import { DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';

const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;
const UUID_BYTES = 16;
const UUID_CHARACTERS = 36;
const HYPHEN = 45;
const MICROSECONDS_PER_MS = 1_000n;
/** 2000-01-01: PostgreSQL counts days and microseconds from there. */
const EPOCH_MS = 946_684_800_000;
const JSONB_VERSION = '\u0001';

/** The same in every release (pg_type.dat). */
const OIDS = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  float8: 701,
  date: 1082,
  timestamptz: 1184,
  uuid: 2950,
  jsonb: 3802,
} as const;

/** A value that does not fit its type: the fault of the row that it is of. */
export class ArrayEncodingError extends Error {
  override readonly name = 'ArrayEncodingError';
}

type Write<T> = (buffer: Buffer, value: T, at: number) => void;

export const booleans = fixed<boolean>(OIDS.bool, 1, (buffer, value, at) => buffer.writeUInt8(value ? 1 : 0, at));
export const smallints = fixed<number>(OIDS.int2, 2, (buffer, value, at) => buffer.writeInt16BE(whole(value), at));
export const integers = fixed<number>(OIDS.int4, 4, (buffer, value, at) => buffer.writeInt32BE(whole(value), at));
export const doubles = fixed<number>(OIDS.float8, 8, (buffer, value, at) => buffer.writeDoubleBE(value, at));
/** Money as text, quantities as numbers. */
export const bigints = fixed<bigint | string | number>(OIDS.int8, 8, (buffer, value, at) =>
  buffer.writeBigInt64BE(BigInt(value), at),
);
/** The day that was read last: those of one batch are the same but for two. */
let lastDay = { text: '', days: 0 };

/** "2026-11-21" */
export const dates = fixed<string>(OIDS.date, 4, (buffer, value, at) => {
  if (value !== lastDay.text) lastDay = { text: value, days: daysOf(value) };
  buffer.writeInt32BE(lastDay.days, at);
});

/** Since PostgreSQL's first day. */
function daysOf(value: string): number {
  const day = new Date(value);
  // The parser takes 31 February for 3 March, and text that says more than a day.
  if (Number.isNaN(day.valueOf()) || utcDay(day.valueOf()) !== value) throw new RangeError(`no day: ${value}`);
  return (day.valueOf() - EPOCH_MS) / DAY_MS;
}

/** Unix milliseconds. */
export const instants = fixed<number>(OIDS.timestamptz, 8, (buffer, value, at) =>
  buffer.writeBigInt64BE(BigInt(value - EPOCH_MS) * MICROSECONDS_PER_MS, at),
);
/** Lower case, with hyphens. */
export const uuids = fixed<string>(OIDS.uuid, UUID_BYTES, writeUuid);

export function texts(values: readonly string[]): Buffer {
  return variable(OIDS.text, values);
}

/** Of JSON texts. */
export function jsonbs(values: readonly string[]): Buffer {
  return variable(
    OIDS.jsonb,
    values.map((value) => JSONB_VERSION + value),
  );
}

export function byteas(values: readonly Uint8Array[]): Buffer {
  const buffer = Buffer.allocUnsafe(values.reduce((sum, value) => sum + LENGTH_BYTES + value.length, HEADER_BYTES));
  let at = writeHeader(buffer, OIDS.bytea, values.length);
  for (const value of values) {
    at = buffer.writeInt32BE(value.length, at);
    buffer.set(value, at);
    at += value.length;
  }
  return buffer;
}

function fixed<T>(oid: number, bytes: number, write: Write<T>): (values: readonly (T | null)[]) => Buffer {
  return (values) => {
    const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + bytes));
    let at = writeHeader(buffer, oid, values.length);
    try {
      for (const value of values) {
        at = buffer.writeInt32BE(value === null ? NULL_LENGTH : bytes, at);
        if (value === null) continue;
        write(buffer, value, at);
        at += bytes;
      }
    } catch (cause) {
      throw toEncodingError(cause);
    }
    return buffer.subarray(0, at);
  };
}

function variable(oid: number, values: readonly string[]): Buffer {
  const lengths = values.map(measure);
  const buffer = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + LENGTH_BYTES + length, HEADER_BYTES));
  let at = writeHeader(buffer, oid, values.length);
  for (const [index, value] of values.entries()) {
    at = buffer.writeInt32BE(lengths[index] as number, at);
    at += buffer.write(value, at);
  }
  return buffer;
}

function measure(text: string): number {
  try {
    return Buffer.byteLength(text);
  } catch (cause) {
    throw toEncodingError(cause);
  }
}

function toEncodingError(cause: unknown): ArrayEncodingError {
  return new ArrayEncodingError(cause instanceof Error ? cause.message : String(cause), { cause });
}

/** Dimensions, whether NULLs may occur, element type, length, lower bound. */
function writeHeader(buffer: Buffer, oid: number, length: number): number {
  let at = 0;
  for (const word of [1, 1, oid, length, 1]) at = buffer.writeInt32BE(word, at);
  return at;
}

/** Buffer would round a fraction and write NaN as 0. */
function whole(value: number): number {
  if (!Number.isInteger(value)) throw new RangeError(`no whole number: ${value}`);
  return value;
}

function writeUuid(buffer: Buffer, value: string, at: number): void {
  if (value.length !== UUID_CHARACTERS) throw new RangeError(`no UUID: ${value}`);
  let byte = at;
  for (let index = 0; index < UUID_CHARACTERS; index += 2) {
    // Groups are of 8, 4, 4, 4 and 12 digits.
    if (index === 8 || index === 13 || index === 18 || index === 23) {
      if (value.charCodeAt(index) !== HYPHEN) throw new RangeError(`no UUID: ${value}`);
      index += 1;
    }
    buffer[byte++] = (digit(value.charCodeAt(index)) << 4) | digit(value.charCodeAt(index + 1));
  }
}

/** Of a hexadecimal digit's character code: 0–9 are 48–57, a–f are 97–102. */
function digit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  throw new RangeError('no lower-case hexadecimal digit');
}
