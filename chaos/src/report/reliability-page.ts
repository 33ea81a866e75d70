import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ChaosReport, formatAvailability, formatGoals } from './summary.js';

const PAGE = join(import.meta.dirname, '../../../docs/reliability.md');
const GENERATED = /(<!-- chaos:begin[^\n]*-->\n)[\s\S]*?(<!-- chaos:end -->)/;

/** Writes what was measured between the two marks of the page; the rest is written by people. */
export function writeReliabilityPage(report: ChaosReport, page = PAGE): void {
  const text = readFileSync(page, 'utf8');
  if (!GENERATED.test(text)) throw new Error(`${page} has no marks between which figures could be written`);
  writeFileSync(
    page,
    text.replace(GENERATED, (_match, begin: string, end: string) => `${begin}${generatedPart(report)}\n${end}`),
  );
}

export function generatedPart(report: ChaosReport): string {
  const { seed, minutes, faultsTotal, calls, lost, doubled, overshoot, violations } = report;
  const sum = (read: (round: ChaosReport['rounds'][number]) => number) =>
    report.rounds.reduce((total, round) => total + read(round), 0);
  const booked = sum((round) => round.booked);
  const estimated = sum((round) => round.estimated);
  const fired = Object.entries(report.failPointsFired).map(([point, count]) => `\`${point}\` ${count}×`);
  return [
    '',
    `${faultsTotal} faults over ${minutes} minutes in ${report.rounds.length} rounds (seeds ${seed} to ${seed + report.rounds.length - 1}), ${calls} calls, ${booked} admitted and booked (${estimated} of them estimated):`,
    `**${lost} lost, ${doubled} doubled, ${overshoot} overshot, ${violations} violations in all.** ${sum((round) => round.servedForNobody)} calls were served for nobody, ${sum((round) => round.lostOnTheWay)} lost between provider and gateway by a cut of ours; ${sum((round) => round.corrected)} estimates were corrected by their true end; ${sum((round) => round.spentTwice)} limits were passed by a fenced gateway's open calls.`,
    `Again: \`${report.command}\``,
    '',
    formatAvailability(report.availability),
    '',
    ...formatGoals(report.goals),
    '',
    `Fail points passed: ${fired.length === 0 ? 'none' : fired.join(', ')}.`,
    '',
  ].join('\n');
}
