import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type ChainEntry, ChainVerifier, GENESIS_HASH, hashEntry } from './audit-chain.rules.js';
import { type ExportFormat, ExportUnreadable, exportHeader, exportLine, readExport } from './audit-export.rules.js';
import { parseExact, printJsonb } from './jsonb-text.rules.js';

const TEXTS = ['', "'", '=1+1', '@a', 'plain', 'a,"b"\r\nc', '-', '\t', 'ü€😀', '\\u0041', '+', "''=x"];

function entry(sequence: number, previousHash: string, text = 'x'): ChainEntry {
  const fields = {
    accountId: '0193e4a1-0000-7000-8000-000000000001',
    sequence,
    time: '2026-11-21T08:00:00.123Z',
    actorKind: 'user',
    actorId: sequence % 2 === 0 ? null : '0193e4a1-0000-7000-8000-000000000002',
    actorLabel: text,
    action: 'key.minted',
    subjectKind: 'key',
    subjectId: text,
    details: printJsonb(parseExact(`{"text": ${JSON.stringify(text)}, "n": [1.50, 100000000000000000000000000000001, -0.1]}`)),
    ipPrefix: '203.0.113.0/24',
    userAgent: text,
    requestId: '',
    previousHash,
    hash: '',
  };
  return { ...fields, hash: hashEntry(fields) };
}

function chain(length = TEXTS.length): ChainEntry[] {
  const entries: ChainEntry[] = [];
  for (let sequence = 1; sequence <= length; sequence++) {
    entries.push(entry(sequence, entries.at(-1)?.hash ?? GENESIS_HASH, TEXTS[sequence - 1]));
  }
  return entries;
}

function verify(entries: Iterable<ChainEntry>): string[] {
  const verifier = new ChainVerifier();
  for (const one of entries) verifier.add(one);
  return verifier.problems.map(({ kind, sequence }) => `${kind} ${sequence}`);
}

const toText = (format: ExportFormat, entries: ChainEntry[]) =>
  exportHeader(format) + entries.map((one) => exportLine(format, one)).join('');

describe('an export of an audit log (TL-1)', () => {
  it.each(['ndjson', 'csv'] as const)(
    'as %s is read back exactly, formulas, line ends, marks and exact numbers included',
    (format) => {
      const entries = chain();
      const text = toText(format, entries);
      expect([...readExport(text)]).toEqual(entries);
      expect(verify(readExport(text))).toEqual([]);
    },
  );

  it('as CSV begins no cell with what a spreadsheet takes for a formula', () => {
    const [, ...rows] = toText('csv', chain()).split('\r\n');
    for (const text of ['=1+1', '@a', '-', '+']) expect(rows.join('\n')).toContain(`,"'${text}",`);
    expect(rows.join('\n')).not.toMatch(/,"?[=+\-@\t\r]/);
  });

  it('as CSV quotes every text, so that a program that divides cells at other marks begins none within', () => {
    const [, row] = toText('csv', chain(1)).split('\r\n');
    const unquoted = row?.replaceAll(/"(?:[^"]|"")*"/g, '').split(',');
    expect(unquoted?.filter((cell) => cell !== '')).toEqual(['1']);
  });

  it.each(['ndjson', 'csv'] as const)('as %s reads back whatever was written', (format) => {
    const anyText = fc.string({ unit: 'grapheme' });
    fc.assert(
      fc.property(fc.array(anyText, { minLength: 1, maxLength: 4 }), (texts) => {
        const entries = texts.map((text, index) => entry(index + 1, GENESIS_HASH, text));
        expect([...readExport(toText(format, entries))]).toEqual(entries);
      }),
    );
  });

  it.each([
    [
      'a changed word',
      (entries: ChainEntry[]) => entries.with(2, { ...(entries[2] as ChainEntry), action: 'key.revoked' }),
      'changed 3',
    ],
    ['a removed entry', (entries: ChainEntry[]) => entries.toSpliced(2, 1), 'missing 3', 'unlinked 4'],
    ['a removed beginning', (entries: ChainEntry[]) => entries.slice(2), 'missing 1', 'unlinked 3'],
    [
      'an entry that is there twice',
      (entries: ChainEntry[]) => entries.toSpliced(1, 0, entries[0] as ChainEntry),
      'missing 2',
      'unlinked 1',
    ],
    [
      'a swap',
      (entries: ChainEntry[]) => [entries[1], entries[0], ...entries.slice(2)] as ChainEntry[],
      'missing 1',
      'unlinked 2',
      'missing 3',
      'unlinked 1',
      'missing 2',
      'unlinked 3',
    ],
    [
      'an entry of another account',
      (entries: ChainEntry[]) => entries.with(-1, entryOfOther(entries.at(-1) as ChainEntry)),
      'unlinked 12',
    ],
  ])('tells of %s', (_, tamper, ...problems) => {
    expect(verify(tamper(chain()))).toEqual(problems);
  });

  it('tells of a cut end only to whoever noted the head', () => {
    const entries = chain();
    const verifier = new ChainVerifier();
    for (const one of entries.slice(0, 5)) verifier.add(one);
    verifier.finish(null);
    expect(verifier.problemCount).toBe(0);
    verifier.finish(entries[4] as ChainEntry);
    expect(verifier.problemCount).toBe(0);
    verifier.finish(entries.at(-1) as ChainEntry);
    expect(verifier.problems).toMatchObject([{ kind: 'head', sequence: 5 }]);
  });

  it.each([
    ['{"sequence": 1}\n', 'line 1'],
    ['{not json}\n', 'line 1'],
    ['a,b\r\n1,2\r\n', 'no export'],
    ['', 'no export'],
    [`${exportHeader('csv')}1,2\r\n`, 'row 2'],
  ])('that is none is said so: %j', (text, message) => {
    expect(() => [...readExport(text)]).toThrow(ExportUnreadable);
    expect(() => [...readExport(text)]).toThrow(message);
  });
});

function entryOfOther(one: ChainEntry): ChainEntry {
  const moved = { ...one, accountId: '0193e4a1-0000-7000-8000-00000000000f' };
  return { ...moved, hash: hashEntry(moved) };
}
