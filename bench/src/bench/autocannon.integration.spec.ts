import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runAutocannon } from './autocannon.js';
import { CHAT_PATH } from './load.types.js';

const REPOSITORY = join(import.meta.dirname, '../../..');
/** The program is a process of its own and runs what was built; the spec runs it from source as this one Node can. */
const PROGRAM = join(REPOSITORY, 'bench/src/bench/autocannon-program.ts');

let folder: string;
let server: Server;
const seen: Pick<IncomingMessage, 'method' | 'url' | 'headers'>[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bench-autocannon-'));
  server = createServer((req, res) => {
    seen.push({ method: req.method, url: req.url, headers: req.headers });
    req.resume();
    req.on('end', () => res.writeHead(seen.length % 2 === 0 ? 429 : 200).end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

describe('the load where wrk is absent', () => {
  it('has the shape of wrk: calls served are counted, refusals are failures and no throughput, headers go in turn', async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const headerSets = [{ authorization: 'Bearer one' }, { authorization: 'Bearer two' }];
    const target = { name: 'direct' as const, url, headerSets, pid: null, keepsUnknownFields: true };
    const load = { target, body: '{"model":"gpt-4o-mini"}', connections: 2, seconds: 1, pauseMs: 20, folder };
    const result = await runAutocannon(load, PROGRAM);
    // 2 connections with pauses of 20 ms are 100 calls a second; every other one is refused.
    expect(result.calls).toBeGreaterThan(10);
    expect(result.calls).toBeLessThanOrEqual(65);
    expect(result.callsPerSecond).toBeGreaterThan(5);
    expect(result.callsPerSecond).toBeLessThanOrEqual(result.calls);
    expect(result.p50Ms).toBeGreaterThan(0);
    expect(result.p99Ms).toBeGreaterThanOrEqual(result.p50Ms);
    expect(Math.abs(result.failures - result.calls)).toBeLessThan(3);
    expect(new Set(seen.map(({ method, url: path }) => `${method} ${path}`))).toEqual(new Set([`POST ${CHAT_PATH}`]));
    expect(new Set(seen.map(({ headers }) => headers.authorization))).toEqual(new Set(['Bearer one', 'Bearer two']));
  });
});
