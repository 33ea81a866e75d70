import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readOracleFile } from '@tensorloop/testing/oracle-file';
import { type SourceProcess, startSource } from '@tensorloop/testing/source-process';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const CALLERS = 16;
const ANSWERS_BEFORE_KILL = 200;

let folder: string;
let oracleFile: string;
let simulator: SourceProcess | null = null;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'oracle-kill-'));
  oracleFile = join(folder, 'oracle.jsonl');
});
afterEach(async () => {
  await simulator?.stop('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<string> {
  simulator = await startSource(MAIN, { PORT: '0', ORACLE_FILE: oracleFile }, 'listening');
  return simulator.started.url as string;
}

/** One call; its id once the whole answer has been received, null when the connection broke. */
async function call(url: string, id: string, stream: boolean): Promise<string | null> {
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hi' }], stream });
  try {
    const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body, headers: { 'x-request-id': id } });
    const text = await response.text();
    return text.endsWith(stream ? 'data: [DONE]\n\n' : '}') ? id : null;
  } catch {
    return null;
  }
}

describe('the record of the simulator', () => {
  it('holds every answer that was fully received before kill -9, and goes on after a restart', async () => {
    const url = await start();
    const received: string[] = [];
    let isOver = false;
    const caller = async (name: number) => {
      for (let count = 0; !isOver; count++) {
        const id = await call(url, `caller-${name}-${count}`, count % 2 === 0);
        if (id === null) return;
        received.push(id);
        if (received.length === ANSWERS_BEFORE_KILL) {
          isOver = true;
          await simulator?.stop('SIGKILL');
        }
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, (_, name) => caller(name)));
    expect(received.length).toBeGreaterThanOrEqual(ANSWERS_BEFORE_KILL);
    const recorded = new Set((await readOracleFile(oracleFile)).map((record) => record.gatewayRequestId));
    expect(received.filter((id) => !recorded.has(id))).toEqual([]);

    const again = await start();
    expect(await call(again, 'after-restart', false)).toBe('after-restart');
    const ids = (await readOracleFile(oracleFile)).map((record) => record.gatewayRequestId);
    expect(ids.at(-1)).toBe('after-restart');
    expect(new Set((await readOracleFile(oracleFile)).map((record) => record.id)).size).toBe(ids.length);
  });

  it('is complete after SIGTERM with calls in progress', async () => {
    const url = await start();
    const running = Array.from({ length: CALLERS }, (_, name) => call(url, `caller-${name}`, true));
    await Promise.race(running);
    await simulator?.stop('SIGTERM');
    const received = (await Promise.all(running)).filter((id) => id !== null);
    const recorded = new Set((await readOracleFile(oracleFile)).map((record) => record.gatewayRequestId));
    expect(received.filter((id) => !recorded.has(id))).toEqual([]);
    expect(received.length).toBeGreaterThan(0);
  });
});

it('a bad environment is refused with every violation named', async () => {
  await expect(startSource(MAIN, { PORT: 'x', HOST: '' }, 'listening')).rejects.toThrow(/PORT: .*\\n {2}HOST: /);
});
