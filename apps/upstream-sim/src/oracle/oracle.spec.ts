import { readFileSync } from 'node:fs';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { OracleRecord } from '@tensorloop/contracts/oracle-record';
import { readOracleFile } from '@tensorloop/testing/oracle-file';
import { createOracle } from './oracle.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'oracle-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function record(id: string): OracleRecord {
  return {
    v: 1,
    id,
    gatewayRequestId: null,
    model: 'm',
    stream: true,
    promptTokens: 1,
    cachedTokens: 0,
    completionTokens: 1,
    reasoningTokens: 0,
    status: 200,
    outcome: 'completed',
    usageSent: true,
    bytesSent: 1,
    startedAtMs: 1,
    endedAtMs: 1,
  };
}

describe('createOracle', () => {
  it('has a record in the file once append resolves, folder made as needed', async () => {
    const path = join(folder, 'deeper', 'oracle.jsonl');
    const oracle = await createOracle(path);
    await oracle.append(record('a'));
    // Synchronously: an append that resolves too early must not be given the time to catch up.
    expect(readFileSync(path, 'utf8')).toBe(`${JSON.stringify(record('a'))}\n`);
    await oracle.close();
  });

  it('keeps the order and loses none of many concurrent appends', async () => {
    const path = join(folder, 'many.jsonl');
    const oracle = await createOracle(path);
    const ids = Array.from({ length: 500 }, (_, index) => `call-${index}`);
    await Promise.all(ids.map((id) => oracle.append(record(id))));
    await oracle.close();
    expect((await readOracleFile(path)).map(({ id }) => id)).toEqual(ids);
  });

  it('waits in close for what was appended before', async () => {
    const path = join(folder, 'closing.jsonl');
    const oracle = await createOracle(path);
    const appended = oracle.append(record('a'));
    await oracle.close();
    await appended;
    expect(await readOracleFile(path)).toHaveLength(1);
  });

  it('cuts a line torn by a kill and appends behind the whole ones', async () => {
    const path = join(folder, 'torn.jsonl');
    await appendFile(path, `${JSON.stringify(record('a'))}\n{"v":1,"id":"to`);
    const oracle = await createOracle(path);
    await oracle.append(record('b'));
    await oracle.close();
    expect((await readOracleFile(path)).map(({ id }) => id)).toEqual(['a', 'b']);
  });
});
