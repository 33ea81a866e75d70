import { describe, expect, it } from '@jest/globals';
import { planCall } from './call-plan.js';
import type { CallResult } from './gateway-client.js';
import { formatReplay, isSound, type ReplayReport, replayJson } from './replay-report.js';
import { ReplayTally } from './replay-tally.js';

function reportOf(problems: (string | null)[]): ReplayReport {
  const tally = new ReplayTally(problems.length);
  tally.begin();
  for (const problem of problems) {
    const result: CallResult = { requestId: `id of ${problem}`, problem, endedAtMs: 0, latencyMs: 10, headMs: 5 };
    tally.add(planCall({ offsetMs: 0, contextTokens: 100, generatedTokens: 20 }, 1, 0), result);
  }
  tally.end();
  const options = { traceFile: 't', limit: null, speedup: null, concurrency: 1, streamShare: 0, jsonFile: null };
  return {
    ...tally.figures(),
    trace: 't',
    options,
    account: 'a@example.com',
    lateMsMax: null,
    visibleMs: { count: 1, p50: 1, p90: 1, p99: 1, max: 1, unseen: 0, failedPolls: 0 },
    activity: { rows: problems.length, lost: 0, doubled: 0, mismatched: 0, examples: [] },
    rssBytes: { gateway: { last: 1_048_576, peak: 2_097_152 } },
    audit: { startedAt: '', requests: 1n, table: [], checks: [], differences: 0 },
  };
}

const sound = reportOf([null, null]);

describe('a replay is sound', () => {
  it('when every call was answered and every book agrees', () => {
    expect(isSound(sound)).toBe(true);
    expect(formatReplay(sound)).toContain('Sound: every call was answered, booked once and exactly.');
  });

  it.each<[string, Partial<ReplayReport>]>([
    ['a call failed', { failed: 1 }],
    ['a row is lost', { activity: { ...sound.activity, lost: 1 } }],
    ['a row is doubled', { activity: { ...sound.activity, doubled: 1 } }],
    ['a row differs', { activity: { ...sound.activity, mismatched: 1 } }],
    ['a row did not become visible', { visibleMs: { ...sound.visibleMs, unseen: 1 } }],
    ['the audit found a difference', { audit: { ...sound.audit, differences: 1 } }],
  ])('but not when %s', (_, change) => {
    expect(isSound({ ...sound, ...change })).toBe(false);
    expect(formatReplay({ ...sound, ...change })).toContain('NOT SOUND');
  });
});

it('failures of one kind are one line with their count', () => {
  const text = formatReplay(reportOf([null, 'status 503', 'status 503', 'no whole answer']));
  expect(text).toContain('2 × status 503 (id of status 503)');
  expect(text).toContain('1 × no whole answer');
  expect(text).toContain('3 failed');
});

it('the JSON holds every figure, large counts as text', () => {
  const json = JSON.parse(replayJson(sound));
  expect(json).toMatchObject({ requests: 2, answered: 2, isSound: true, audit: { requests: '1' }, latencyMs: { p50: 10 } });
});
