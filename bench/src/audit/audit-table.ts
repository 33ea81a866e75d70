import { formatUsd } from '@tensorloop/kernel/money';
import type { AuditReport, CheckResult, SourceName, Sums, TableRow } from './audit.types.js';
import { SOURCES } from './audit.types.js';
import { inputTokens, outputTokens } from './compare-sources.rules.js';

type Line = string[];

/** The report as text: one line per account × key × model and source, then one per check, then the verdict. */
export function formatReport(report: AuditReport): string {
  const parts = [formatTable(sumLines(report.table)), formatTable(checkLines(report.checks))];
  const differences = report.checks.flatMap((check) => check.differences);
  if (differences.length > 0) {
    parts.push(
      differences
        .map(({ check, subject, expected, actual }) => `DIFF ${check}: ${subject}: expected ${expected}, found ${actual}`)
        .join('\n'),
    );
  }
  parts.push(verdict(report));
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

export function verdict(report: AuditReport): string {
  const spent = report.table.reduce((sum, row) => sum + (row.sources.usage?.nanoUsd ?? 0n), 0n);
  const calls = `${report.requests} calls audited, ${spent} nano-USD (${formatUsd(spent)} USD)`;
  if (report.differences > 0) return `${calls}: ${report.differences} DIFFERENCES.`;
  if (report.requests === 0n) return `${calls}: there was nothing to audit, so nothing is proved.`;
  return `${calls}, no difference.`;
}

function sumLines(table: TableRow[]): Line[] {
  if (table.length === 0) return [];
  const header = ['account', 'key', 'model', 'source', 'requests', 'estimated', 'input', 'output', 'nano-USD', ''];
  const lines = table.flatMap((row) => rowLines(row));
  return [header, ...lines, ...totalLines(table)];
}

/** Sources that agree with the usage rows share the first line; one that does not gets a line of its own. */
function rowLines(row: TableRow): Line[] {
  const usage = row.sources.usage;
  const others = SOURCES.filter((source) => source !== 'usage' && row.sources[source] !== undefined);
  const dissenting = others.filter((source) => !agrees(usage, row.sources[source] as Sums, source));
  const name = [row.accountId, row.keyId, row.model];
  const first = [
    ...name,
    'usage',
    ...numbers(usage, row.estimated),
    dissenting.length === 0 ? `ok = ${others.join(' = ')}` : 'DIFF',
  ];
  return [first, ...dissenting.map((source) => ['', '', '', source, ...numbers(row.sources[source], null), 'DIFF'])];
}

function agrees(usage: Sums | undefined, other: Sums, source: SourceName): boolean {
  if (usage === undefined || usage.nanoUsd !== other.nanoUsd) return false;
  if (source === 'charges') return true;
  return (
    usage.requests === other.requests &&
    inputTokens(usage.quantities) === inputTokens(other.quantities) &&
    outputTokens(usage.quantities) === outputTokens(other.quantities)
  );
}

function numbers(sums: Sums | undefined, estimated: bigint | null): Line {
  if (!sums) return ['-', '-', '-', '-', '-'];
  const { requests, quantities, nanoUsd } = sums;
  return [requests, estimated ?? '', inputTokens(quantities), outputTokens(quantities), nanoUsd].map(String);
}

function totalLines(table: TableRow[]): Line[] {
  return SOURCES.filter((source) => table.some((row) => row.sources[source])).map((source) => {
    const sums = table.flatMap((row) => row.sources[source] ?? []);
    const sum = (read: (sums: Sums) => bigint) => sums.reduce((total, next) => total + read(next), 0n);
    const estimated = source === 'usage' ? table.reduce((total, row) => total + row.estimated, 0n) : '';
    return [
      'total',
      '',
      '',
      source,
      String(sum((s) => s.requests)),
      String(estimated),
      String(sum((s) => inputTokens(s.quantities))),
      String(sum((s) => outputTokens(s.quantities))),
      String(sum((s) => s.nanoUsd)),
      '',
    ];
  });
}

function checkLines(checks: CheckResult[]): Line[] {
  const header = ['check', 'compared', 'differences', '', ''];
  return [
    header,
    ...checks.map((check) => [
      check.name,
      String(check.compared),
      String(check.differenceCount),
      check.differenceCount > 0 ? 'DIFF' : check.compared === 0 ? 'nothing to compare' : 'ok',
      check.note ?? '',
    ]),
  ];
}

const NUMERIC = /^-?\d+$/;

function formatTable(lines: Line[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const cell = (text: string, column: number) =>
    NUMERIC.test(text) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0);
  return lines.map((line) => line.map(cell).join('  ').trimEnd()).join('\n');
}
