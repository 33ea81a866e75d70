import { describe, expect, it } from '@jest/globals';
import type { UsageSeriesGetReply, UsageSeriesGetRequest } from '@tensorloop/contracts/usage-series';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { toUsageSeries } from './usage.dto.js';

const HOUR_MS = 3_600_000;
/** In Berlin the clocks go back: this day has 25 hours. */
const START_MS = Date.parse('2026-10-24T22:00:00.000Z');
const SUM = { requests: 1, failed: 0, inputTokens: 1, outputTokens: 1, chargeNanoUsd: '1' };
const REQUEST: UsageSeriesGetRequest = {
  accountId: uuid7(),
  groupBy: 'day',
  tagName: null,
  fromDay: '2026-10-25',
  toDay: '2026-10-26',
  timeZone: 'Europe/Berlin',
  keyId: null,
  model: null,
};

function seriesOf(days: { group: string; startMs: number }[], endMs: number) {
  const groups = days.map((day) => ({ ...day, ...SUM }));
  const period = { fromDay: '2026-10-25', toDay: '2026-10-26', startMs: START_MS, endMs };
  const reply: Extract<UsageSeriesGetReply, { ok: true }> = {
    ok: true,
    period,
    total: SUM,
    latency: null,
    groups: groups.map((group) => ({ ...group, latency: null })),
    others: null,
    previous: { ...period, total: SUM, groups },
    dataThroughMs: endMs,
  };
  return toUsageSeries(REQUEST, reply, null);
}

describe('days and hours of a series (TL-6)', () => {
  it('end where the next begins, and the last of them with the period', () => {
    const startsMs = [START_MS, START_MS + 25 * HOUR_MS];
    const endMs = START_MS + 49 * HOUR_MS;
    const days = startsMs.map((startMs, at) => ({ group: `2026-10-${25 + at}`, startMs }));
    const { data, previous, end } = seriesOf(days, endMs);
    const spans = [
      ['2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z'],
      ['2026-10-25T23:00:00.000Z', '2026-10-26T23:00:00.000Z'],
    ];
    expect(data.map((group) => [group.start, group.end])).toEqual(spans);
    expect(previous.data.map((group) => [group.start, group.end])).toEqual(spans);
    expect(data.at(-1)?.end).toBe(end);
  });
});
