import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ALL_FAULTS } from '@tensorloop/chaos/faults/all-faults';
import { runRound } from '@tensorloop/chaos/round';
import type { RoundReport } from '@tensorloop/chaos/round.types';
import { SHORT_SET, SHORT_SET_MS, SHORT_SET_SEED } from '@tensorloop/chaos/short-set';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';

const ROUND_TIMEOUT_MS = 600_000;
/** More than a thousand mostly; how many more is the machine's business. */
const CALLS_MIN = 100;

let folder: string;
let report: RoundReport;
const said: string[] = [];

beforeAll(async () => {
  folder = makeTestFolder('chaos');
  report = await runRound({
    seed: SHORT_SET_SEED,
    durationMs: SHORT_SET_MS,
    folder,
    kinds: ALL_FAULTS,
    plans: SHORT_SET,
    lanes: 6,
    thinkMs: 60,
    log: (text) => said.push(text),
  });
}, ROUND_TIMEOUT_MS);
afterAll(() => removeTestFolder(folder));

describe('twenty-one faults in a minute, at two gateways and two meterings', () => {
  it('lose no call, charge none twice, pass no limit, and leave every book exact', () => {
    const evidence = report.violations.length > 0 ? said.join('\n') : '';
    expect({ violations: report.violations, evidence }).toEqual({ violations: [], evidence: '' });
  });

  it('were all carried out, and every part came up again', () => {
    expect(report.faultProblems).toEqual([]);
    expect(report.idleFaults).toEqual([]);
    expect(report.findings).toEqual([]);
    expect(report.failPointsFired).toEqual({
      'gateway.after_accepted=kill': 1,
      'metering.after_commit=kill': 1,
      'gateway.after_completed=kill': 1,
      'gateway.after_admit=kill': 1,
    });
    const carriedOut = Object.values(report.faults).reduce((sum, count) => sum + count, 0);
    expect(carriedOut).toBe(SHORT_SET.length);
  });

  it('met calls under way: answered, failed, cut, and refused by a limit', () => {
    expect(report.answered).toBeGreaterThan(CALLS_MIN);
    expect(report.failed).toBeGreaterThan(0);
    expect(report.refused).toBeGreaterThan(0);
    expect(report.estimated).toBeGreaterThan(0);
  });
});
