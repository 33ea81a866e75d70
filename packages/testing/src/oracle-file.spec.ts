import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { OracleRecord } from '@tensorloop/contracts/oracle-record';
import { readOracleFile } from './oracle-file.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'oracle-file-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function line(id: string, changes: Partial<OracleRecord> = {}): string {
  const record: OracleRecord = {
    v: 1,
    id,
    gatewayRequestId: null,
    model: 'gpt-4o-mini',
    stream: false,
    promptTokens: 9,
    cachedTokens: 0,
    completionTokens: 3,
    reasoningTokens: 0,
    status: 200,
    outcome: 'completed',
    usageSent: true,
    bytesSent: 400,
    startedAtMs: 1,
    endedAtMs: 2,
    ...changes,
  };
  return `${JSON.stringify(record)}\n`;
}

async function read(name: string, text: string): Promise<OracleRecord[]> {
  const path = join(folder, name);
  await writeFile(path, text);
  return readOracleFile(path);
}

describe('readOracleFile', () => {
  it('returns every record in order', async () => {
    const records = await read('whole', line('a') + line('b') + line('c'));
    expect(records.map((record) => record.id)).toEqual(['a', 'b', 'c']);
  });

  it('leaves out a torn last line', async () => {
    const records = await read('torn', line('a') + line('b').slice(0, 40));
    expect(records.map((record) => record.id)).toEqual(['a']);
  });

  it('takes the later of two lines of one call', async () => {
    const records = await read('replaced', line('a') + line('b') + line('a', { outcome: 'client_gone', usageSent: false }));
    expect(records.map((record) => [record.id, record.outcome])).toEqual([
      ['a', 'client_gone'],
      ['b', 'completed'],
    ]);
  });

  it('refuses a file with a broken line in its midst, naming the line', async () => {
    await expect(read('broken', `${line('a')}{"v":1}\n${line('b')}`)).rejects.toThrow(/broken:2 is no record/);
  });

  it('refuses a file that does not exist', async () => {
    await expect(readOracleFile(join(folder, 'absent'))).rejects.toThrow(/ENOENT/);
  });
});
