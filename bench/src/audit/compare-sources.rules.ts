import { DIMENSIONS, type Dimension } from '@tensorloop/contracts/usage';
import type { CheckResult, SourceName, Sums, TableRow } from './audit.types.js';
import { SOURCES } from './audit.types.js';
import { CheckRecorder } from './check-result.js';

/** Rollups keep two counts of tokens, not one per dimension: which of ours go into which. */
export function inputTokens(quantities: Sums['quantities']): bigint {
  return total(quantities, (dimension) => dimension.startsWith('input'));
}
export function outputTokens(quantities: Sums['quantities']): bigint {
  return total(quantities, (dimension) => dimension.startsWith('output'));
}
function total(quantities: Sums['quantities'], wanted: (dimension: Dimension) => boolean): bigint {
  return DIMENSIONS.filter(wanted).reduce((sum, dimension) => sum + (quantities[dimension] ?? 0n), 0n);
}

export function rowName(row: Pick<TableRow, 'accountId' | 'keyId' | 'model'>): string {
  return `account ${row.accountId} key ${row.keyId} model ${row.model}`;
}

const EMPTY: Sums = { requests: 0n, quantities: {}, nanoUsd: 0n };

/**
 * One check per pair: the usage rows against every other source that was available, in requests, tokens and
 * nano-dollars. A row that only one side has is a difference, because the side without it counts 0.
 */
export function compareSources(table: TableRow[], available: ReadonlySet<SourceName>): CheckResult[] {
  return SOURCES.filter((source) => source !== 'usage' && available.has(source)).map((source) =>
    compareWithUsage(table, source),
  );
}

function compareWithUsage(table: TableRow[], source: SourceName): CheckResult {
  const check = new CheckRecorder(`usage = ${source}`);
  for (const row of table) {
    const usage = row.sources.usage ?? EMPTY;
    const other = row.sources[source] ?? EMPTY;
    const name = rowName(row);
    // A call that cost nothing has no charge line, so lines cannot count calls.
    if (source !== 'charges') check.equal(`${name} requests`, usage.requests, other.requests);
    check.equal(`${name} nano-USD`, usage.nanoUsd, other.nanoUsd);
    compareTokens(check, { name, source, usage, other });
  }
  return check.result();
}

function compareTokens(check: CheckRecorder, sides: { name: string; source: SourceName; usage: Sums; other: Sums }): void {
  const { name, source, usage, other } = sides;
  // An uncharged call keeps its tokens and has no lines: line by line is compared within the database.
  if (source === 'charges') return;
  if (source === 'rollups') {
    check.equal(`${name} input tokens`, inputTokens(usage.quantities), inputTokens(other.quantities));
    check.equal(`${name} output tokens`, outputTokens(usage.quantities), outputTokens(other.quantities));
    return;
  }
  for (const dimension of DIMENSIONS) {
    check.equal(`${name} ${dimension}`, usage.quantities[dimension] ?? 0n, other.quantities[dimension] ?? 0n);
  }
}
