import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
const TEXT = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');
/** A document that lost half of its table must not pass for a sound one. */
const ROWS_MIN = 70;
const FILES_MIN = 60;
const FILE = /`((?:apps|packages|e2e|infra|prisma|scripts|docs|bench|chaos)\/[^`]+)`/g;
const REQUIREMENT =
  /^\d{1,2}\.\d{1,2}\.\d{1,2}( – \d{1,2}\.\d{1,2}\.\d{1,2})?(, \d{1,2}\.\d{1,2}\.\d{1,2}( – \d{1,2}\.\d{1,2}\.\d{1,2})?)*$/;

const filesIn = (text: string) => [...text.matchAll(FILE)].map(([, file]) => file as string);
const rows = TEXT.split('\n')
  .filter((line) => /^\| \d/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, id = '', how = '', where = '', test = '']) => ({ id, how, where, test }));

describe('docs/security.md', () => {
  it('names no file that does not exist', () => {
    const files = [...new Set(filesIn(TEXT))];
    expect(files.length).toBeGreaterThanOrEqual(FILES_MIN);
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });

  it('says for each requirement how it is met, where, and which test holds it', () => {
    expect(rows.length).toBeGreaterThanOrEqual(ROWS_MIN);
    for (const { id, how, where, test } of rows) {
      expect(id).toMatch(REQUIREMENT);
      expect([id, how]).not.toContain('');
      expect([id, filesIn(where).length]).toEqual([id, 1]);
      expect([id, filesIn(test).filter((file) => file.endsWith('.spec.ts')).length]).toEqual([id, 1]);
    }
  });

  it('names each requirement once', () => {
    const ids = rows.flatMap(({ id }) => id.split(', '));
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });
});
