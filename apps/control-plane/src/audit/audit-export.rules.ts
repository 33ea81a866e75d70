import type { ChainEntry } from './audit-chain.rules.js';
import { NumberText, parseExact, printJsonb } from './jsonb-text.rules.js';

/** The two forms of an export. Both hold everything that the hashes cover, so either can be verified. */
export type ExportFormat = 'ndjson' | 'csv';

const COLUMNS = [
  'sequence',
  'time',
  'accountId',
  'actorKind',
  'actorId',
  'actorLabel',
  'action',
  'subjectKind',
  'subjectId',
  'details',
  'ipPrefix',
  'userAgent',
  'requestId',
  'previousHash',
  'hash',
] as const satisfies readonly (keyof ChainEntry)[];

/** What a spreadsheet would take for a formula, and the mark itself, so that it can be taken off again. */
const MARKED = /^['=+\-@\t\r]/;
const LINE_END = '\r\n';

/** The first line of a file; none in NDJSON. */
export function exportHeader(format: ExportFormat): string {
  return format === 'csv' ? COLUMNS.join(',') + LINE_END : '';
}

export function exportLine(format: ExportFormat, entry: ChainEntry): string {
  if (format === 'csv') return COLUMNS.map((column) => csvCell(entry[column])).join(',') + LINE_END;
  const { details, ...fields } = entry;
  // As PostgreSQL printed it: numbers that went through JavaScript may be other text, and so another hash.
  return `${JSON.stringify(fields).slice(0, -1)},"details":${details}}\n`;
}

/** Texts are quoted, whatever they are: a spreadsheet may divide cells at other marks than we do, and begin a formula there. */
function csvCell(value: string | number | null): string {
  if (typeof value !== 'string') return value === null ? '' : String(value);
  const safe = MARKED.test(value) ? `'${value}` : value;
  return `"${safe.replaceAll('"', '""')}"`;
}

export class ExportUnreadable extends Error {
  override readonly name = 'ExportUnreadable';
}

/** Reads an export back, in whichever form it is. Throws ExportUnreadable. */
export function* readExport(text: string): Generator<ChainEntry> {
  if (text.startsWith('{')) yield* readNdjson(text);
  else yield* readCsv(text);
}

function* readNdjson(text: string): Generator<ChainEntry> {
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() !== '') yield toEntry(parseLine(line), `line ${index + 1}`);
  }
}

function parseLine(line: string): Record<string, unknown> {
  try {
    const { details, sequence, ...fields } = parseExact(line) as Record<string, unknown>;
    return { ...fields, sequence: sequence instanceof NumberText ? sequence.text : sequence, details: printJsonb(details) };
  } catch {
    return {};
  }
}

function* readCsv(text: string): Generator<ChainEntry> {
  const [header, ...rows] = csvRows(text);
  if (header?.join() !== COLUMNS.join()) throw new ExportUnreadable('this is no export of an audit log');
  for (const [index, row] of rows.entries()) {
    if (row.length !== COLUMNS.length) throw new ExportUnreadable(`row ${index + 2} is no entry of an audit log`);
    const cells = COLUMNS.map((column, at) => [column, unmark(row[at] ?? '')] as const);
    const fields: Record<string, unknown> = Object.fromEntries(cells);
    yield toEntry({ ...fields, actorId: fields['actorId'] === '' ? null : fields['actorId'] }, `row ${index + 2}`);
  }
}

function unmark(cell: string): string {
  return cell.startsWith("'") ? cell.slice(1) : cell;
}

/** One match per cell: quoted or plain, with what ends it. */
const CELL = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy;

function* csvRows(text: string): Generator<string[]> {
  let row: string[] = [];
  for (const [match, quoted, plain = '', end] of text.matchAll(CELL)) {
    if (match === '' && row.length === 0) return;
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    yield row;
    row = [];
  }
}

function toEntry(fields: Record<string, unknown>, where: string): ChainEntry {
  const texts = COLUMNS.filter((column) => column !== 'sequence' && column !== 'actorId');
  const isWhole =
    texts.every((column) => typeof fields[column] === 'string') &&
    (typeof fields['actorId'] === 'string' || fields['actorId'] === null) &&
    /^[1-9]\d{0,15}$/.test(String(fields['sequence']));
  if (!isWhole) throw new ExportUnreadable(`${where} is no entry of an audit log`);
  return { ...(fields as unknown as ChainEntry), sequence: Number(fields['sequence']) };
}
