import { countByKind, SHOWN_PER_KIND_MAX } from '../oracle/violation.js';
import type { RoundReport } from '../round.types.js';
import { type AvailabilityRow, mergeRows } from './availability.js';
import { type Goal, goalsOf } from './goals.js';
import { shortcomingsOf } from './soundness.js';

const MS_PER_MINUTE = 60_000;
const MS_PER_SECOND = 1_000;

export interface ChaosReport {
  seed: number;
  command: string;
  minutes: number;
  faults: Record<string, number>;
  faultsTotal: number;
  calls: number;
  lost: number;
  doubled: number;
  overshoot: number;
  violations: number;
  /** Why it is not sound, beside its violations. */
  shortcomings: string[];
  availability: AvailabilityRow[];
  goals: Goal[];
  failPointsFired: Record<string, number>;
  rounds: RoundReport[];
}

export interface RunFacts {
  seed: number;
  command: string;
  /** Why a round came to no end: it did not become ready or quiet again. */
  broken: readonly string[];
}

export function summarise(rounds: RoundReport[], { seed, command, broken }: RunFacts): ChaosReport {
  const faults = addUp(rounds.map((round) => round.faults));
  const availability = mergeRows(rounds.map((round) => round.availability));
  const sum = (read: (round: RoundReport) => number) => rounds.reduce((total, round) => total + read(round), 0);
  return {
    seed,
    command,
    minutes: Math.round((sum((round) => round.durationMs) / MS_PER_MINUTE) * 10) / 10,
    faults,
    faultsTotal: Object.values(faults).reduce((total, count) => total + count, 0),
    calls: sum((round) => round.calls),
    lost: sum((round) => round.lost),
    doubled: sum((round) => round.doubled),
    overshoot: sum((round) => round.overshoot),
    violations: sum((round) => round.violations.length),
    shortcomings: [...broken, ...shortcomingsOf(rounds)],
    availability,
    goals: goalsOf(availability),
    failPointsFired: addUp(rounds.map((round) => round.failPointsFired)),
    rounds,
  };
}

function addUp(counts: readonly Record<string, number>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [name, count] of counts.flatMap((each) => Object.entries(each))) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

export function formatGoals(goals: readonly Goal[]): string[] {
  const verdict = (isMet: boolean | null) => (isMet === null ? 'not enough measured' : isMet ? 'met' : 'MISSED');
  return goals.map(({ name, isMet, figure }) => `- ${name}: ${verdict(isMet)} (${figure})`);
}

export function formatSummary(report: ChaosReport): string {
  const lines = ['', `seed ${report.seed}, ${report.minutes} minutes of load, ${report.faultsTotal} faults`, ''];
  lines.push(formatAvailability(report.availability), '');
  for (const round of report.rounds) lines.push(formatRound(round));
  const { calls, lost, doubled, overshoot, violations } = report;
  lines.push('', ...formatGoals(report.goals));
  lines.push('', `${calls} calls: ${lost} lost, ${doubled} doubled, ${overshoot} overshot; ${violations} violations in all.`);
  lines.push(...report.shortcomings.map((text) => `NOT SOUND: ${text}`));
  lines.push(`Again: ${report.command}`, '');
  return lines.join('\n');
}

function formatRound(round: RoundReport): string {
  const counts = [
    `${round.calls} calls`,
    `${round.answered} answered`,
    `${round.refused} refused by a limit or their provider`,
    `${round.failed} failed`,
    `${round.left} left`,
    `${round.booked} booked (${round.estimated} estimated)`,
    `${round.servedForNobody} served for nobody`,
    `${round.lostOnTheWay} lost on the way`,
    `${round.spentTwice} limits passed by a fenced gateway's open calls`,
    `${round.corrected} estimates corrected`,
    `quiet after ${(round.quiescenceMs / MS_PER_SECOND).toFixed(1)} s`,
  ];
  const lines = [`round ${round.seed}: ${counts.join(', ')}`];
  lines.push(
    ...round.faultProblems.map((problem) => `  not carried out: ${problem}`),
    ...round.idleFaults.map((problem) => `  without effect: ${problem}`),
    ...round.findings.map((text) => `  ${text}`),
  );
  for (const [kind, count] of Object.entries(countByKind(round.violations))) {
    lines.push(`  VIOLATION ${kind}: ${count}`);
    for (const { subject, expected, actual } of round.violations
      .filter((one) => one.kind === kind)
      .slice(0, SHOWN_PER_KIND_MAX))
      lines.push(`    ${subject}: expected ${expected}, found ${actual}`);
  }
  if (round.folder !== null) lines.push(`  evidence: ${round.folder}`);
  return lines.join('\n');
}

const COLUMNS = [
  'fault',
  'count',
  'alone',
  'calls',
  'failed',
  'at unharmed gateways',
  'available',
  'refused p50/max',
  'back after p50/max',
];

/** A table that Markdown understands. */
export function formatAvailability(rows: readonly AvailabilityRow[]): string {
  const cells = rows.map((row) => [
    row.kind,
    String(row.faults),
    String(row.alone),
    String(row.calls),
    String(row.failed),
    String(row.failedElsewhere),
    row.calls === 0 ? '' : `${(100 * (1 - row.failed / row.calls)).toFixed(2)} %`,
    pair(row.refusedMsP50, row.refusedMsMax, 'ms'),
    pair(row.recoverMsP50, row.recoverMsMax, 's'),
  ]);
  const widths = COLUMNS.map((column, index) => Math.max(column.length, ...cells.map((row) => (row[index] as string).length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, index) => cell.padEnd(widths[index] as number)).join(' | ')} |`;
  return [line(COLUMNS), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n');
}

function pair(median: number | null, worst: number | null, unit: 'ms' | 's'): string {
  if (median === null || worst === null) return '';
  const text = (ms: number) => (unit === 'ms' ? String(ms) : (ms / MS_PER_SECOND).toFixed(1));
  return `${text(median)} / ${text(worst)} ${unit}`;
}
