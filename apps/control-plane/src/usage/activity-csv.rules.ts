import type { ActivityPage } from '@tensorloop/contracts/dashboard-api';

type ActivityItem = ActivityPage['data'][number];

const LINE_END = '\r\n';
/** What a spreadsheet would take for a formula, and the mark itself, so that it can be taken off again. */
const MARKED = /^['=+\-@\t\r]/;

const tokens = (side: 'input' | 'output') => (item: ActivityItem) =>
  Object.entries(item.usage).reduce((sum, [name, count]) => (name.startsWith(side) ? sum + (count ?? 0) : sum), 0);

const COLUMNS: readonly [name: string, read: (item: ActivityItem) => string | number | boolean | null | undefined][] = [
  ['time', (item) => item.time],
  ['request_id', (item) => item.requestId],
  ['outcome', (item) => item.outcome],
  ['http_status', (item) => item.httpStatus],
  ['estimated', (item) => item.estimated],
  ['key_id', (item) => item.keyId],
  ['project_id', (item) => item.projectId],
  ['model', (item) => item.model],
  ['endpoint', (item) => item.endpoint],
  ['stream', (item) => item.stream],
  ['input_tokens', tokens('input')],
  ['output_tokens', tokens('output')],
  ['usage', (item) => JSON.stringify(item.usage)],
  ['cost_usd', (item) => item.costUsd],
  ['cost_nano_usd', (item) => item.costNanoUsd],
  ['latency_ms', (item) => item.latencyMs],
  ['first_byte_ms', (item) => item.firstByteMs],
  ['refusal_code', (item) => item.refusal?.code],
  ['refusal_count', (item) => item.refusal?.count],
  ['tags', (item) => (item.tags === undefined ? null : JSON.stringify(item.tags))],
];

/** The first line of a file. */
export function csvHeader(): string {
  return COLUMNS.map(([name]) => name).join(',') + LINE_END;
}

/** RFC 4180: texts are quoted, lines end in CR LF. */
export function csvLine(item: ActivityItem): string {
  return COLUMNS.map(([, read]) => csvCell(read(item))).join(',') + LINE_END;
}

/** The last line of a file that is not all of it: no reader takes it for a call, and nobody takes the file for whole. */
export function csvIncomplete(reason: string): string {
  return [csvCell(`INCOMPLETE: ${reason}`), ...COLUMNS.slice(1).map(() => '')].join(',') + LINE_END;
}

/** Texts whatever they are: a spreadsheet may divide cells at other marks than we do, and begin a formula there. */
function csvCell(value: string | number | boolean | null | undefined): string {
  if (typeof value !== 'string') return value === null || value === undefined ? '' : String(value);
  const safe = MARKED.test(value) ? `'${value}` : value;
  return `"${safe.replaceAll('"', '""')}"`;
}
