import { describe, expect, it } from '@jest/globals';
import { DAY_MS } from '@tensorloop/kernel/budget-window';
import fc from 'fast-check';
import { partsOf, type RangeParts } from './whole-days.rules.js';

const HOUR_MS = 3_600_000;
const BEGIN_MS = Date.parse('2026-11-01T00:00:00.000Z');
const at = (text: string) => Date.parse(`2026-11-${text}:00:00.000Z`);

function hoursIn({ hours, days }: RangeParts): number[] {
  const ranges = [
    ...hours,
    ...(days === null ? [] : [{ startMs: Date.parse(days.fromDay), endMs: Date.parse(days.untilDay) }]),
  ];
  return ranges.flatMap(({ startMs, endMs }) =>
    Array.from({ length: (endMs - startMs) / HOUR_MS }, (_, hour) => startMs + hour * HOUR_MS),
  );
}

describe('a range in whole days and hours', () => {
  it.each<[string, [string, string], RangeParts]>([
    ['days of UTC are days alone', ['01T00', '03T00'], { hours: [], days: { fromDay: '2026-11-01', untilDay: '2026-11-03' } }],
    [
      'days of a zone have hours at both ends',
      ['01T23', '03T23'],
      {
        hours: [
          { startMs: at('01T23'), endMs: at('02T00') },
          { startMs: at('03T00'), endMs: at('03T23') },
        ],
        days: { fromDay: '2026-11-02', untilDay: '2026-11-03' },
      },
    ],
    [
      'one day of a zone is hours alone',
      ['01T23', '02T23'],
      { hours: [{ startMs: at('01T23'), endMs: at('02T23') }], days: null },
    ],
  ])('%s', (_, [from, until], parts) => {
    expect(partsOf({ startMs: at(from), endMs: at(until) })).toEqual(parts);
  });

  it('has every hour of any range once, and days only where all their hours are asked for', () => {
    const hour = fc.integer({ min: 0, max: 24 * 10 });
    fc.assert(
      fc.property(hour, hour, (first, hours) => {
        const startMs = BEGIN_MS + first * HOUR_MS;
        const parts = partsOf({ startMs, endMs: startMs + hours * HOUR_MS });
        const expected = Array.from({ length: hours }, (_, index) => startMs + index * HOUR_MS);
        expect(hoursIn(parts).sort((a, b) => a - b)).toEqual(expected);
        for (const part of parts.hours) expect(part.endMs - part.startMs).toBeLessThan(2 * DAY_MS);
      }),
    );
  });
});
