import { request } from 'undici';
import type { CheckResult } from './audit.types.js';
import { AuditUnavailable } from './audit.types.js';
import { CheckRecorder } from './check-result.js';

const METRICS_TIMEOUT_MS = 5_000;

/** What a gateway says of itself: calls that metering has not settle-acknowledged, calls still open, writes Redis did not take. */
export const JOURNAL_UNACKNOWLEDGED_METRIC = 'tensorloop_gateway_unacknowledged_calls';
export const JOURNAL_ENTRIES_METRIC = 'tensorloop_gateway_journal_entries';
export const CALLS_OPEN_METRIC = 'tensorloop_gateway_open_calls';
export const REDIS_WRITES_METRIC = 'tensorloop_gateway_redis_writes_waiting';

export interface JournalState {
  unacknowledged: number;
  /** Open calls included. */
  entries: number;
  open: number;
  unwritten: number;
}

export async function readJournal(gatewayUrl: string): Promise<JournalState> {
  const url = new URL('/metrics', gatewayUrl);
  const response = await request(url, { headersTimeout: METRICS_TIMEOUT_MS, bodyTimeout: METRICS_TIMEOUT_MS }).catch(
    () => null,
  );
  if (response === null || response.statusCode !== 200) {
    await response?.body.dump();
    throw new AuditUnavailable(
      `The gateway does not answer on ${url.href}: its journal cannot be audited. Start it, or leave it out of --gateway.`,
    );
  }
  const text = await response.body.text();
  return {
    unacknowledged: readGauge(text, JOURNAL_UNACKNOWLEDGED_METRIC),
    entries: readGauge(text, JOURNAL_ENTRIES_METRIC),
    open: readGauge(text, CALLS_OPEN_METRIC),
    unwritten: readGauge(text, REDIS_WRITES_METRIC),
  };
}

export async function checkJournals(gatewayUrls: string[]): Promise<CheckResult> {
  const check = new CheckRecorder('journal: every call settle-acknowledged');
  for (const url of gatewayUrls) {
    const state = await readJournal(url);
    check.equal(`gateway ${url} unacknowledged`, 0, state.unacknowledged);
    check.equal(`gateway ${url} entries of its journal`, 0, state.entries);
    check.equal(`gateway ${url} open`, 0, state.open);
    check.equal(`gateway ${url} waiting for Redis`, 0, state.unwritten);
  }
  return check.result();
}

/** One gauge out of Prometheus' text format, whatever its labels. Absent is an error: a gauge that went missing must not read as 0. */
export function readGauge(text: string, name: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `) || candidate.startsWith(`${name}{`));
  if (line === undefined) throw new AuditUnavailable(`The gateway's metrics do not contain ${name}.`);
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}
