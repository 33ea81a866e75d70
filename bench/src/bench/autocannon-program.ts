/** Runs one load with autocannon, for machines without wrk, and prints what it saw as JSON. A program of its own. */
import { readFileSync } from 'node:fs';
import autocannon from 'autocannon';
import type { AutocannonJob, AutocannonOutcome } from './autocannon.js';

const FAILURE_STATUS_MIN = 400;

const job = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as AutocannonJob;
// Its own histogram holds whole milliseconds; calls here take fractions of one.
const latenciesMicros: number[] = [];
let refused = 0;
const startedMs = performance.now();
const options: autocannon.Options = {
  url: job.url,
  connections: job.connections,
  duration: job.seconds,
  timeout: job.timeoutSeconds,
  requests: job.headerSets.map((headers) => ({
    method: 'POST' as const,
    headers: { 'content-type': 'application/json', ...headers },
    body: job.body,
  })),
  ...(job.perSecond !== null && { overallRate: job.perSecond }),
};
const run = autocannon(options, (error, result) => {
  if (error !== null && error !== undefined) throw error;
  const seconds = (performance.now() - startedMs) / 1_000;
  const outcome: AutocannonOutcome = { seconds, latenciesMicros, refused, broken: result.errors };
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
});
run.on('response', (...[, status, , responseMs]) => {
  latenciesMicros.push(Math.round(responseMs * 1_000));
  if (status >= FAILURE_STATUS_MIN) refused++;
});
