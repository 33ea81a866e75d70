import { describe, expect, it } from '@jest/globals';
import { DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import fc from 'fast-check';
import { activitySpans, checkRange } from './usage.rules.js';

const NOW_MS = Date.UTC(2026, 10, 21, 12);

describe('activitySpans', () => {
  it('covers every day from the first there can be to tomorrow, newest first, without gap or overlap', () => {
    const spans = activitySpans({ before: null, firstAtMs: 0 }, NOW_MS);
    expect(spans[0]?.toDay).toBe(utcDay(NOW_MS + DAY_MS));
    expect(spans.at(-1)?.fromDay).toBe('2026-01-01');
    for (const [index, span] of spans.slice(1).entries()) {
      expect(utcDay(Date.parse(span.toDay) + DAY_MS)).toBe(spans[index]?.fromDay);
    }
  });

  it('begins at the day of the cursor', () => {
    expect(activitySpans({ before: uuid7(Date.UTC(2026, 9, 3, 23, 59)), firstAtMs: 0 }, NOW_MS)[0]?.toDay).toBe('2026-10-03');
  });

  it('ends a day before the first call, and is empty where there is none', () => {
    const firstAtMs = Date.UTC(2026, 10, 20, 3);
    expect(activitySpans({ before: null, firstAtMs }, NOW_MS)).toEqual([{ fromDay: '2026-11-19', toDay: '2026-11-22' }]);
    expect(activitySpans({ before: null, firstAtMs: null }, NOW_MS)).toEqual([]);
  });

  it('covers a range of time with a day to spare on either side, because ids come from another clock', () => {
    const range = { fromMs: Date.UTC(2026, 9, 10, 1), toMs: Date.UTC(2026, 9, 11, 2) };
    const spans = activitySpans({ before: null, firstAtMs: 0, ...range }, NOW_MS);
    expect(spans).toEqual([{ fromDay: '2026-10-09', toDay: '2026-10-12' }]);
  });

  it('always ends, whatever the cursor', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), (ms) => {
        expect(activitySpans({ before: uuid7(ms), firstAtMs: 0 }, NOW_MS).length).toBeLessThanOrEqual(8);
      }),
    );
  });
});

describe('checkRange', () => {
  it.each([
    ['2026-02-30', '2026-03-01'],
    ['2026-11-21', '2026-11-20'],
    ['2025-01-01', '2026-11-20'],
  ])('refuses %s to %s', (fromDay, toDay) => {
    expect(checkRange({ fromDay, toDay })).not.toBeNull();
  });

  it('accepts one day and a leap year', () => {
    expect(checkRange({ fromDay: '2026-11-21', toDay: '2026-11-21' })).toBeNull();
    expect(checkRange({ fromDay: '2028-01-01', toDay: '2028-12-31' })).toBeNull();
  });
});
