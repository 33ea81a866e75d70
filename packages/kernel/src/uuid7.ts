import { utcDay } from './budget-window.js';

/**
 * UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then random. Request ids are UUIDv7 so that the day a call
 * belongs to is a pure function of its id: the unique index of a day-partitioned table is then unique for ever.
 */

const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const POOL_IDS = 256;
const pool = new Uint8Array(POOL_IDS * 10);
let poolOffset = pool.length;

const HEX: string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function takeRandom(): number {
  if (poolOffset === pool.length) {
    globalThis.crypto.getRandomValues(pool);
    poolOffset = 0;
  }
  const at = poolOffset;
  poolOffset += 10;
  return at;
}

/** Mints a lower-case UUIDv7 for the instant `nowMs` (Unix milliseconds). 74 random bits. */
export function uuid7(nowMs: number = Date.now()): string {
  const at = takeRandom();
  const byte = (index: number) => pool[at + index] as number;
  const time = nowMs.toString(16).padStart(12, '0');
  const version = HEX[0x70 | (byte(0) & 0x0f)] as string;
  const variant = HEX[0x80 | (byte(2) & 0x3f)] as string;
  let tail = '';
  for (let index = 4; index < 10; index++) tail += HEX[byte(index)];
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}${HEX[byte(1)]}-${variant}${HEX[byte(3)]}-${tail}`;
}

export function isUuid7(text: string): boolean {
  return UUID7.test(text);
}

/** The Unix milliseconds inside a UUIDv7. The caller has checked `isUuid7`. */
export function uuid7Time(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** A UUIDv7 has room for the year 10889, whose day neither four digits nor a database's text of a date can say. */
const LAST_DAY_MS = Date.UTC(9999, 11, 31);

/** The UTC day ("2026-11-21") inside a UUIDv7: the partition its usage row lives in. Ids that somebody made up end in 9999. */
export function uuid7Day(id: string): string {
  return utcDay(Math.min(uuid7Time(id), LAST_DAY_MS));
}
