import { describe, expect, test } from '@jest/globals';
import { parseAdmitReply } from './admit-reply.js';

const KEY = '01a2014c-e9d5-72ea-a4cf-98e971b0e7d4';
const ACCOUNT = '01a2014c-5950-704d-b424-056b3bdc9a64';
const NOW_MS = 1_795_318_147_545;
const START_MS = 1_795_000_000_000;

interface PeriodParts {
  keyId?: string;
  index?: number;
  day?: string;
  budget?: number;
  dayLimit?: number;
}

function period({ keyId = KEY, index = 3, day = '2026-11-22', budget = 5_000, dayLimit = -1 }: PeriodParts = {}): string {
  return [keyId, ACCOUNT, index, START_MS, day, 60, budget, dayLimit].join('|');
}

/** One answer per period: what is held is 100, 59 requests are left, 700 are spent and 300 held. */
function reply(periods: string[]): string {
  const answers = periods.map((_, at) => [at + 1, NOW_MS, 100, 59, 700, 300, 40, 100].join('|'));
  return [NOW_MS, '', periods.length, ...periods, ...answers].join('\n');
}

describe('parseAdmitReply', () => {
  test('reads what calls of one period have in common, and what each has of its own', () => {
    const { nowMs, results } = parseAdmitReply(reply([period()]));
    expect(nowMs).toBe(NOW_MS);
    expect(results).toMatchObject([
      {
        admitted: true,
        keyId: KEY,
        accountId: ACCOUNT,
        windowIndex: 3,
        windowStartMs: START_MS,
        day: '2026-11-22',
        holdNanoUsd: 100n,
        rpm: { limit: 60, remaining: 59 },
        budget: { limitNanoUsd: 5_000n, spentNanoUsd: 700n, heldNanoUsd: 300n },
        daily: null,
      },
    ]);
  });

  test('a key whose window, day or limit is another than a moment ago has those of now', () => {
    parseAdmitReply(reply([period()]));
    const { results } = parseAdmitReply(
      reply([
        period({ index: 4 }),
        period({ day: '2026-11-23' }),
        period({ budget: 9_000 }),
        period({ dayLimit: 900 }),
        period(),
      ]),
    );
    expect(results).toMatchObject([
      { windowIndex: 4, day: '2026-11-22', budget: { limitNanoUsd: 5_000n }, daily: null },
      { windowIndex: 3, day: '2026-11-23', budget: { limitNanoUsd: 5_000n }, daily: null },
      { windowIndex: 3, day: '2026-11-22', budget: { limitNanoUsd: 9_000n }, daily: null },
      { windowIndex: 3, day: '2026-11-22', daily: { limitNanoUsd: 900n, spentNanoUsd: 40n, heldNanoUsd: 100n } },
      { windowIndex: 3, day: '2026-11-22', budget: { limitNanoUsd: 5_000n }, daily: null },
    ]);
  });
});
