import type { FaultOutcome } from '../faults/fault.types.js';
import { type ClientRecord, isFailure, isSuccess } from '../load/client-record.js';
import { GATEWAYS } from '../topology/parts.js';

/** What faults of one kind cost the clients. */
export interface AvailabilityRow {
  kind: string;
  faults: number;
  /** Of them, those during which and shortly before nothing else was harmed: only these say what the kind costs. */
  alone: number;
  /** Calls that began while one that was alone lasted. */
  calls: number;
  failed: number;
  /** Of them, at a gateway that was not itself harmed. */
  failedElsewhere: number;
  /** Of the calls, those with a key of which no call had been answered before: no gateway knew it. */
  newKeyCalls: number;
  newKeyFailed: number;
  /** What those that failed were told, or how they ended. */
  failures: Record<string, number>;
  /** Longest wait of a client for a refusal in those windows; null = none was refused. */
  refusedMsP50: number | null;
  refusedMsMax: number | null;
  /** From the end of the cause to the first answer that both gateways gave; the median and the worst of those alone. */
  recoverMsP50: number | null;
  recoverMsMax: number | null;
}

/** Consequences of one fault reach this far into the next. */
const QUIET_BEFORE_MS = 1_500;

export function availabilityOf(outcomes: readonly FaultOutcome[], records: readonly ClientRecord[]): AvailabilityRow[] {
  const sorted = [...records].sort((a, b) => a.sentAtMs - b.sentAtMs);
  const kinds = [...new Set(outcomes.map(({ plan }) => plan.kind))].sort();
  const knownFromMs = firstAnswers(records);
  return kinds.map((kind) => rowOf(kind, { outcomes, sorted, knownFromMs }));
}

/** When each key's first call was answered. */
function firstAnswers(records: readonly ClientRecord[]): Map<string, number> {
  const firsts = new Map<string, number>();
  for (const { keyId, status, headAtMs } of records) {
    if (status === 200 && headAtMs !== null && headAtMs < (firsts.get(keyId) ?? Number.POSITIVE_INFINITY))
      firsts.set(keyId, headAtMs);
  }
  return firsts;
}

interface Inputs {
  outcomes: readonly FaultOutcome[];
  sorted: readonly ClientRecord[];
  knownFromMs: ReadonlyMap<string, number>;
}

function rowOf(kind: string, inputs: Inputs): AvailabilityRow {
  const { outcomes, sorted, knownFromMs } = inputs;
  const faults = outcomes.filter(({ plan, problem }) => plan.kind === kind && problem === null);
  const alone = faults.filter((fault) => outcomes.every((other) => other === fault || !overlaps(fault, other)));
  const elsewhere = (fault: FaultOutcome) => callsOf(fault, inputs).filter((call) => !fault.plan.target.includes(call.gateway));
  const within = alone.flatMap((fault) => callsOf(fault, inputs));
  const failed = within.filter(isFailure);
  const isNewKey = ({ keyId, sentAtMs }: ClientRecord) => !((knownFromMs.get(keyId) ?? Number.POSITIVE_INFINITY) < sentAtMs);
  const refusedMs = within
    .filter(({ ending, status }) => ending === 'refused' && (status ?? 0) === 503)
    .map(({ sentAtMs, endedAtMs }) => endedAtMs - sentAtMs);
  const recoverMs = alone.flatMap((fault) => recoveryMs(fault, sorted) ?? []);
  return {
    kind,
    faults: faults.length,
    alone: alone.length,
    calls: within.length,
    failed: failed.length,
    failedElsewhere: alone.flatMap(elsewhere).filter(isFailure).length,
    newKeyCalls: within.filter(isNewKey).length,
    newKeyFailed: failed.filter(isNewKey).length,
    failures: countOf(failed.map(({ code, ending }) => code ?? ending)),
    refusedMsP50: rank(refusedMs, 0.5),
    refusedMsMax: rank(refusedMs, 1),
    recoverMsP50: rank(recoverMs, 0.5),
    recoverMsMax: rank(recoverMs, 1),
  };
}

/**
 * Calls that began while it lasted, without those whose answer was flowing when another one began: a stream may fail of that.
 * Who was still waiting for an answer then had waited because of this one.
 */
function callsOf(fault: FaultOutcome, { outcomes, sorted }: Inputs): ClientRecord[] {
  const nextAtMs = Math.min(...outcomes.map(({ injectedAtMs }) => injectedAtMs).filter((atMs) => atMs > fault.healedAtMs));
  return sorted.filter(
    ({ sentAtMs, headAtMs, endedAtMs }) =>
      sentAtMs >= fault.injectedAtMs &&
      sentAtMs <= fault.healedAtMs &&
      (endedAtMs < nextAtMs || headAtMs === null || headAtMs >= nextAtMs),
  );
}

function overlaps(fault: FaultOutcome, other: FaultOutcome): boolean {
  return other.injectedAtMs <= fault.healedAtMs && other.healedAtMs + QUIET_BEFORE_MS >= fault.injectedAtMs;
}

/** From the end of the cause, starts included, to the first answer to a call begun after it, at the slower gateway. */
function recoveryMs({ endedAtMs }: FaultOutcome, sorted: readonly ClientRecord[]): number | null {
  const firsts = GATEWAYS.map((gateway) =>
    sorted.find((record) => record.gateway === gateway && record.sentAtMs >= endedAtMs && isSuccess(record)),
  );
  if (firsts.some((first) => first === undefined)) return null;
  return Math.max(...firsts.map((first) => (first?.headAtMs ?? Number.POSITIVE_INFINITY) - endedAtMs));
}

export function countOf(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** Nearest rank. */
function rank(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return value === undefined ? null : Math.round(value);
}

/** Several rounds' rows as one table. Medians of rounds are weighted by nothing: the worst of them is shown. */
export function mergeRows(tables: readonly AvailabilityRow[][]): AvailabilityRow[] {
  const merged = new Map<string, AvailabilityRow>();
  for (const row of tables.flat()) {
    const known = merged.get(row.kind);
    merged.set(row.kind, known ? add(known, row) : { ...row });
  }
  return [...merged.values()].sort((a, b) => (a.kind < b.kind ? -1 : 1));
}

function add(a: AvailabilityRow, b: AvailabilityRow): AvailabilityRow {
  const worst = (x: number | null, y: number | null) => (x === null ? y : y === null ? x : Math.max(x, y));
  return {
    kind: a.kind,
    faults: a.faults + b.faults,
    alone: a.alone + b.alone,
    calls: a.calls + b.calls,
    failed: a.failed + b.failed,
    failedElsewhere: a.failedElsewhere + b.failedElsewhere,
    newKeyCalls: a.newKeyCalls + b.newKeyCalls,
    newKeyFailed: a.newKeyFailed + b.newKeyFailed,
    failures: sumOf(a.failures, b.failures),
    refusedMsP50: worst(a.refusedMsP50, b.refusedMsP50),
    refusedMsMax: worst(a.refusedMsMax, b.refusedMsMax),
    recoverMsP50: worst(a.recoverMsP50, b.recoverMsP50),
    recoverMsMax: worst(a.recoverMsMax, b.recoverMsMax),
  };
}

function sumOf(a: Record<string, number>, b: Record<string, number>): Record<string, number> {
  const sums = { ...a };
  for (const [name, count] of Object.entries(b)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}
