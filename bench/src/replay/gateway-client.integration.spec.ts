import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { type SourceProcess, startSource } from '@tensorloop/testing/source-process';
import { planCall } from './call-plan.js';
import { GatewayClient } from './gateway-client.js';
import { parseTrace, type TraceRow } from './trace.js';

const SIMULATOR = fileURLToPath(new URL('../../../apps/upstream-sim/src/main.ts', import.meta.url));
const TRACE = new URL('../../traces/azure-llm-trace-conv.csv', import.meta.url);
const ROWS = 100;

let simulator: SourceProcess;
let gateway: Server;
let client: GatewayClient;

/** The least of a gateway: it passes calls to the simulator and gives them an id. */
function pass(req: IncomingMessage, res: ServerResponse): void {
  const upstream = request(`${simulator.started.url}${req.url}`, { method: 'POST' }, (answer) => {
    res.writeHead(answer.statusCode ?? 500, { ...answer.headers, 'x-request-id': uuid7() });
    answer.pipe(res);
  });
  req.pipe(upstream);
}

beforeAll(async () => {
  simulator = await startSource(SIMULATOR, { PORT: '0' }, 'listening');
  gateway = createServer(pass);
  await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
  client = new GatewayClient(`http://127.0.0.1:${(gateway.address() as AddressInfo).port}`, 8);
});
afterAll(async () => {
  await client.close();
  gateway.close();
  await simulator.stop();
});

it('the simulator answers every kind of planned call as the replay expects', async () => {
  const rows = parseTrace(readFileSync(TRACE, 'utf8'), ROWS);
  const results = await Promise.all(rows.map((row, index) => client.call(planCall(row, index, 0.5), 'unused')));
  expect(results.map(({ problem }) => problem).filter((problem) => problem !== null)).toEqual([]);
  expect(new Set(results.map(({ requestId }) => requestId)).size).toBe(ROWS);
  for (const { headMs, latencyMs } of results) expect(latencyMs).toBeGreaterThanOrEqual(headMs);
});

it('an answer without a token, and the longest of the trace, pass too', async () => {
  const edge = (contextTokens: number, generatedTokens: number): TraceRow => ({ offsetMs: 0, contextTokens, generatedTokens });
  for (const row of [edge(0, 0), edge(1, 1), edge(14_050, 1_000)]) {
    for (let index = 0; index < 12; index++)
      expect((await client.call(planCall(row, index, 0.5), 'unused')).problem).toBeNull();
  }
});

it('a gateway that is not there is a failed call and no crash', async () => {
  const nowhere = new GatewayClient('http://127.0.0.1:1', 1);
  const result = await nowhere.call(planCall({ offsetMs: 0, contextTokens: 1, generatedTokens: 1 }, 0, 0), 'unused');
  expect(result).toMatchObject({ requestId: null, problem: expect.stringContaining('ECONNREFUSED') });
  await nowhere.close();
});
