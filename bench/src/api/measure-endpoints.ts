import { percentileOf } from '../bench/percentile-of.js';
import { type EndpointFigures, WrongAnswer } from './api.types.js';
import type { Answer, DashboardClient } from './dashboard-client.js';
import type { Endpoint } from './endpoints.js';

const WARM_UPS = 10;

export interface Effort {
  calls: number;
  connections: number;
}

/** Asks over a few connections at once; every answer is looked at, after the last one has come. */
export async function measureEndpoint(client: DashboardClient, endpoint: Endpoint, effort: Effort): Promise<EndpointFigures> {
  for (let at = 0; at < WARM_UPS; at++) checkAnswer(endpoint, await client.send('GET', endpoint.path));
  const times: number[] = [];
  const answers: Answer[] = [];
  let left = effort.calls;
  const askOn = async () => {
    while (left > 0) {
      left -= 1;
      const startedMs = performance.now();
      const answer = await client.send('GET', endpoint.path);
      times.push(performance.now() - startedMs);
      answers.push(answer);
    }
  };
  await Promise.all(Array.from({ length: effort.connections }, askOn));
  for (const answer of answers) checkAnswer(endpoint, answer);
  return {
    name: endpoint.name,
    path: endpoint.path,
    isBusy: endpoint.isBusy,
    calls: times.length,
    p50Ms: percentileOf(times, 0.5),
    p95Ms: percentileOf(times, 0.95),
    maxMs: percentileOf(times, 1),
    bytes: Buffer.byteLength(answers[0]?.text ?? ''),
  };
}

function checkAnswer({ path, check }: Endpoint, { status, text }: Answer): void {
  const shown = text.slice(0, 300);
  if (status !== 200) throw new WrongAnswer(`GET ${path} was answered ${status}: ${shown}`);
  try {
    check(JSON.parse(text));
  } catch (error) {
    throw new WrongAnswer(`GET ${path} was answered with something else: ${(error as Error).message}; ${shown}`);
  }
}
