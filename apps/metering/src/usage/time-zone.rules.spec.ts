import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { addDays, countDays, isFullHour, isTimeZone, localDay, startOfDay } from './time-zone.rules.js';

const HOUR_MS = 3_600_000;
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Santiago',
  'Asia/Beirut',
  'Pacific/Kiritimati',
  'Asia/Kathmandu',
];
const day = fc.integer({ min: 0, max: 3_650 }).map((offset) => addDays('2024-01-01', offset));
const iso = (ms: number) => new Date(ms).toISOString();

describe('days of a time zone', () => {
  it('begin with the first instant that a calendar there shows them, and follow each other without a gap', () => {
    fc.assert(
      fc.property(day, fc.constantFrom(...ZONES), (date, zone) => {
        const [startMs, endMs] = [startOfDay(date, zone), startOfDay(addDays(date, 1), zone)];
        expect([startMs, endMs - 1].map((ms) => localDay(ms, zone))).toEqual([date, date]);
        expect(localDay(startMs - 1, zone)).toBe(addDays(date, -1));
        expect([23, 24, 25]).toContain((endMs - startMs) / HOUR_MS);
      }),
    );
  });

  it('begin when they do whatever was guessed', () => {
    fc.assert(
      fc.property(day, fc.constantFrom(...ZONES), fc.integer({ min: -200, max: 200 }), (date, zone, quarters) => {
        const startMs = startOfDay(date, zone);
        expect(startOfDay(date, zone, startMs + quarters * (HOUR_MS / 4))).toBe(startMs);
        expect(startOfDay(date, zone, startMs)).toBe(startMs);
      }),
    );
  });

  it('have 23 and 25 hours where clocks change, at midnight too', () => {
    expect(iso(startOfDay('2026-03-29', 'Europe/Berlin'))).toBe('2026-03-28T23:00:00.000Z');
    expect(iso(startOfDay('2026-03-30', 'Europe/Berlin'))).toBe('2026-03-29T22:00:00.000Z');
    // In Beirut clocks go from midnight to one o'clock, in Santiago from midnight back to eleven.
    expect((startOfDay('2026-03-30', 'Asia/Beirut') - startOfDay('2026-03-29', 'Asia/Beirut')) / HOUR_MS).toBe(23);
    expect((startOfDay('2026-04-05', 'America/Santiago') - startOfDay('2026-04-04', 'America/Santiago')) / HOUR_MS).toBe(25);
  });

  it('of India and Nepal begin within an hour of UTC', () => {
    const isFull = ['Asia/Kolkata', 'Asia/Kathmandu', 'Asia/Tokyo'].map((zone) => isFullHour(startOfDay('2026-11-21', zone)));
    expect(isFull).toEqual([false, false, true]);
  });

  it('are counted with both ends', () => {
    expect(countDays('2026-02-27', '2026-03-01')).toBe(3);
    expect(isTimeZone('Europe/Berlin') && !isTimeZone('Europe/Atlantis')).toBe(true);
  });
});
