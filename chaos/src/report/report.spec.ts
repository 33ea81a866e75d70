import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import type { FaultOutcome } from '../faults/fault.types.js';
import { type ClientRecord, isFailure } from '../load/client-record.js';
import { client, T0 } from '../oracle/oracle.fixture.js';
import type { RoundReport } from '../round.types.js';
import { type AvailabilityRow, availabilityOf, mergeRows } from './availability.js';
import { goalsOf } from './goals.js';
import { writeReliabilityPage } from './reliability-page.js';
import { isSound } from './soundness.js';
import { formatSummary, summarise } from './summary.js';

function fault(kind: string, atMs: number, lastsMs: number): FaultOutcome {
  const injectedAtMs = T0 + atMs;
  const plan = { id: 1, atMs, kind, target: 'gateway-1', holdMs: lastsMs, detail: {} };
  return {
    plan,
    injectedAtMs,
    endedAtMs: injectedAtMs + lastsMs,
    healedAtMs: injectedAtMs + lastsMs + 100,
    problem: null,
    isIdle: false,
  };
}
const at = (atMs: number, changes = {}) =>
  client({ sentAtMs: T0 + atMs, headAtMs: T0 + atMs + 20, endedAtMs: T0 + atMs + 50, ...changes });
const refused = (atMs: number, changes = {}) => at(atMs, { status: 503, ending: 'refused', ...changes });

const RUN = { seed: 7, command: 'npm run chaos -- --seed 7', broken: [] };

describe('availability', () => {
  it('counts what began while a fault lasted, and how long it took until both gateways answered again', () => {
    const records = [
      at(0),
      refused(1_100),
      at(1_200, { gateway: 'gateway-2' }),
      at(1_300, { status: 429, ending: 'refused' }),
      at(2_300, { gateway: 'gateway-2' }),
      at(2_500),
    ];
    expect(availabilityOf([fault('kill gateway', 1_000, 1_000)], records)).toEqual([
      {
        kind: 'kill gateway',
        faults: 1,
        alone: 1,
        calls: 3,
        failed: 1,
        failedElsewhere: 0,
        newKeyCalls: 0,
        newKeyFailed: 0,
        failures: { refused: 1 },
        refusedMsP50: 50,
        refusedMsMax: 50,
        recoverMsP50: 520,
        recoverMsMax: 520,
      },
    ]);
  });

  it('tells first calls of new keys apart, and counts only those of known keys towards the goal', () => {
    const records = [
      at(0, { keyId: 'known' }),
      refused(1_100, { keyId: 'new', code: 'admission_state_unknown' }),
      at(1_300, { keyId: 'new' }),
      refused(1_400, { keyId: 'new', code: 'admission_unavailable' }),
      at(1_500, { keyId: 'known' }),
    ];
    const rows = availabilityOf([fault('stop metering', 1_000, 1_000)], records);
    expect(rows[0]).toMatchObject({ calls: 4, failed: 2, newKeyCalls: 2, newKeyFailed: 1 });
    expect(rows[0]?.failures).toEqual({ admission_state_unknown: 1, admission_unavailable: 1 });
    expect(goalsOf(rows)[0]?.figure).toMatch(/^1 of 2 failed: .*; of first calls of new keys 1 of 2$/);
  });

  it('leaves out faults that overlap, and failures of calls that lived to see the next one', () => {
    const faults = [fault('a', 1_000, 1_000), fault('b', 1_500, 100), fault('c', 10_000, 1_000), fault('d', 20_000, 1_000)];
    const records = [
      refused(1_600),
      at(10_500, { ending: 'broken', endedAtMs: T0 + 20_500 }),
      refused(20_500, { gateway: 'gateway-2' }),
    ];
    const rows = availabilityOf(faults, records);
    expect(
      rows.map(({ kind, alone, calls, failed, failedElsewhere }) => [kind, alone, calls, failed, failedElsewhere]),
    ).toEqual([
      ['a', 0, 0, 0, 0],
      ['b', 0, 0, 0, 0],
      ['c', 1, 0, 0, 0],
      ['d', 1, 1, 1, 1],
    ]);
    const [, , , d] = mergeRows([rows, rows]);
    expect(d).toMatchObject({ faults: 2, calls: 2, failed: 2 });
  });
});

describe('a call that was still waiting when the next fault began', () => {
  it('counts, and as failed if it fails then', () => {
    const faults = [fault('a', 1_000, 1_000), fault('b', 10_000, 100)];
    const hung = at(1_500, { headAtMs: null, endedAtMs: T0 + 21_500, status: null, ending: 'unreachable' });
    expect(availabilityOf(faults, [hung])[0]).toMatchObject({ kind: 'a', calls: 1, failed: 1 });
  });
});

describe('a failure', () => {
  it('is our own even where the provider was to fail too, as long as the provider was not what failed', () => {
    const seen = (changes: Partial<ClientRecord>) => isFailure(client({ ending: 'refused', fault: 'cut', ...changes }));
    expect(seen({ status: 503, code: 'admission_state_unknown' })).toBe(true);
    expect(seen({ status: 503, code: 'upstream_unavailable' })).toBe(false);
    expect(seen({ status: 502, code: 'upstream_error' })).toBe(false);
    expect(seen({ status: null, code: null, ending: 'unreachable' })).toBe(true);
    expect(seen({ status: 429, code: 'budget_held' })).toBe(false);
  });
});

describe('goals', () => {
  const row = {
    kind: 'kill metering',
    faults: 1,
    alone: 1,
    calls: 2_000,
    failed: 2,
    failedElsewhere: 2,
    newKeyCalls: 0,
    newKeyFailed: 0,
    failures: {},
    refusedMsP50: null,
    refusedMsMax: null,
    recoverMsP50: null,
    recoverMsMax: null,
  };
  const met = (changes: Partial<AvailabilityRow> = {}) => goalsOf([{ ...row, ...changes }]).map(({ isMet }) => isMet);

  it('are met, missed, or not measured', () => {
    expect(met()).toEqual([true, null, null, null]);
    expect(met({ failed: 3 })).toEqual([false, null, null, null]);
    expect(met({ calls: 999 })).toEqual([null, null, null, null]);
    expect(met({ kind: 'kill both meterings and PostgreSQL', failed: 2_000 })).toEqual([null, null, null, null]);
    expect(met({ kind: 'kill Redis', refusedMsP50: 100, recoverMsMax: 5_000 })).toEqual([null, true, true, true]);
    expect(met({ kind: 'stop Redis', refusedMsP50: 101, recoverMsMax: 5_001 })).toEqual([null, false, true, false]);
    expect(met({ kind: 'end Redis', failures: { unreachable: 1 } })).toEqual([null, null, false, null]);
  });
});

describe('what is said at the end', () => {
  const round: RoundReport = {
    seed: 7,
    durationMs: 60_000,
    faults: { 'kill gateway': 2 },
    failPointsFired: { 'metering.after_commit=kill': 1 },
    faultProblems: ['kill NATS nats: no'],
    idleFaults: [],
    findings: ['FINDING: slow'],
    calls: 10,
    answered: 8,
    refused: 1,
    failed: 1,
    left: 0,
    booked: 8,
    estimated: 1,
    chargedNanoUsd: 5n,
    servedForNobody: 0,
    lostOnTheWay: 0,
    spentTwice: 0,
    corrected: 0,
    refusalCodes: { budget_held: 1, daily_limit_reached: 1, insufficient_balance: 1 },
    lost: 1,
    doubled: 0,
    overshoot: 0,
    violations: [{ kind: 'lost', subject: 'call x', expected: 'one usage row', actual: 'none' }],
    availability: [],
    quiescenceMs: 1_000,
    folder: '/evidence',
  };
  const report = summarise([round, { ...round, seed: 8, violations: [], lost: 0, folder: null }], RUN);

  it('names every violation, its evidence, and how to see it again', () => {
    const text = formatSummary(report);
    for (const part of [
      'VIOLATION lost: 1',
      'call x: expected one usage row, found none',
      '/evidence',
      '20 calls: 1 lost',
      'Again: npm run chaos -- --seed 7',
    ])
      expect(text).toContain(part);
    expect(report).toMatchObject({ faultsTotal: 4, minutes: 2, violations: 1 });
  });

  it('is sound only where nothing is wrong and enough happened', () => {
    const sound = { ...round, durationMs: 120_000, violations: [], findings: [], faultProblems: [] };
    const verdict = (changes: Partial<RoundReport> = {}) => isSound(summarise([{ ...sound, ...changes }], RUN));
    expect(verdict()).toBe(true);
    expect(verdict({ violations: round.violations })).toBe(false);
    expect(verdict({ findings: ['FINDING: slow'] })).toBe(false);
    expect(verdict({ faultProblems: ['kill NATS nats: no'] })).toBe(false);
    expect(verdict({ idleFaults: ['fail point gateway-1: not passed'] })).toBe(false);
    expect(verdict({ idleFaults: ['fail point gateway-1: not passed'], faults: { 'kill gateway': 9 } })).toBe(true);
    expect(verdict({ servedForNobody: 1 })).toBe(false);
    expect(verdict({ booked: 1 })).toBe(false);
    expect(isSound(summarise([sound], { ...RUN, broken: ['round 7 came to no end'] }))).toBe(false);
    expect(verdict({ calls: 0, booked: 0 })).toBe(false);
    for (const code of Object.keys(sound.refusalCodes)) {
      const refusalCodes = { ...sound.refusalCodes, [code]: 0 };
      expect(verdict({ refusalCodes })).toBe(false);
      expect(verdict({ refusalCodes, durationMs: 60_000 })).toBe(true);
    }
  });

  it('is written between the marks of the page, and nowhere else', () => {
    const folder = makeTestFolder('page');
    const page = join(folder, 'page.md');
    writeFileSync(page, 'before\n<!-- chaos:begin x -->\nold\n<!-- chaos:end -->\nafter\n');
    writeReliabilityPage(report, page);
    writeReliabilityPage(report, page);
    const text = readFileSync(page, 'utf8');
    expect(text).toMatch(/^before\n<!-- chaos:begin x -->\n[\s\S]*4 faults over 2 minutes[\s\S]*<!-- chaos:end -->\nafter\n$/);
    expect(text).not.toMatch(/^old$/m);
    expect(text.match(/1 lost/g)).toHaveLength(1);
    writeFileSync(page, 'no marks');
    expect(() => writeReliabilityPage(report, page)).toThrow('no marks');
    removeTestFolder(folder);
  });
});
