import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { budgetWindow, utcDay } from './budget-window.js';

const THIRTY_DAYS_MS = 2_592_000_000;
const instant = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2100, 0, 1) });

describe('budgetWindow (TL-4)', () => {
  it('contains the instant, is exactly 30 days long and lies a whole number of windows after the mint', () => {
    fc.assert(
      fc.property(instant, fc.integer({ min: 0, max: 80 * 365 * 86_400_000 }), (mintedAtMs, ageMs) => {
        const { index, startMs, endMs } = budgetWindow(mintedAtMs, mintedAtMs + ageMs);
        expect(startMs <= mintedAtMs + ageMs && mintedAtMs + ageMs < endMs).toBe(true);
        expect(endMs - startMs).toBe(THIRTY_DAYS_MS);
        expect(startMs).toBe(mintedAtMs + index * THIRTY_DAYS_MS);
      }),
    );
  });

  it('resets at the millisecond, not before', () => {
    fc.assert(
      fc.property(instant, fc.integer({ min: 1, max: 900 }), (mintedAtMs, index) => {
        const resetMs = mintedAtMs + index * THIRTY_DAYS_MS;
        expect(budgetWindow(mintedAtMs, resetMs - 1).index).toBe(index - 1);
        expect(budgetWindow(mintedAtMs, resetMs).index).toBe(index);
      }),
    );
  });

  it.each([
    ['across a leap day', '2028-02-15T10:20:30.456Z', '2028-03-16T10:20:30.456Z'],
    ['across a February without one', '2027-02-15T10:20:30.456Z', '2027-03-17T10:20:30.456Z'],
    ['minted on a leap day', '2028-02-29T00:00:00.000Z', '2028-03-30T00:00:00.000Z'],
    ['across a year end', '2026-12-20T23:59:59.999Z', '2027-01-19T23:59:59.999Z'],
    ['minted in Berlin summer time, reset in winter time', '2026-10-10T12:00:00+02:00', '2026-11-09T11:00:00+01:00'],
    ['minted in New York winter time, reset in summer time', '2027-03-01T09:00:00-05:00', '2027-03-31T10:00:00-04:00'],
  ])('ends 30 × 24 h after the mint %s', (_, minted, reset) => {
    expect(budgetWindow(Date.parse(minted), Date.parse(minted)).endMs).toBe(Date.parse(reset));
  });

  it('is the same instant whatever offset the mint was written in', () => {
    fc.assert(
      fc.property(instant, fc.integer({ min: -12 * 60, max: 14 * 60 }), (ms, offsetMinutes) => {
        const minted = ms - (ms % 60_000);
        const local = new Date(minted + offsetMinutes * 60_000).toISOString().slice(0, 19);
        const size = Math.abs(offsetMinutes);
        const hours = String(Math.floor(size / 60)).padStart(2, '0');
        const offset = `${offsetMinutes < 0 ? '-' : '+'}${hours}:${String(size % 60).padStart(2, '0')}`;
        expect(budgetWindow(Date.parse(local + offset), minted)).toEqual(budgetWindow(minted, minted));
      }),
    );
  });

  it('puts an instant before the mint into window 0', () => {
    expect(budgetWindow(1_000_000, 0)).toEqual({ index: 0, startMs: 1_000_000, endMs: 1_000_000 + THIRTY_DAYS_MS });
  });
});

describe('utcDay', () => {
  it('changes at midnight UTC', () => {
    expect(utcDay(Date.parse('2028-02-29T23:59:59.999Z'))).toBe('2028-02-29');
    expect(utcDay(Date.parse('2028-03-01T00:00:00.000Z'))).toBe('2028-03-01');
  });
});
