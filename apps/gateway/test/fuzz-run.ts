import { ENDPOINTS } from '@tensorloop/contracts/endpoint';
import { parseUsd } from '@tensorloop/kernel/money';
import { waitUntil } from '@tensorloop/testing/wait-until';
import fc from 'fast-check';
import { type FuzzAnswer, type FuzzCase, fuzzCases, sendAll } from './fuzz.js';
import { GatewayFixture } from './gateway-fixture.js';
import { testModel, testPrice } from './test-models.js';

const SETTLE_MS_MAX = 60_000;
/** Fixed, so that a failure is seen again; another one finds other things. */
export const FUZZ_SEED = 20_261_121;

/** A price for everything, so that every kind of call is admitted. */
const ALL_RATES = {
  ...testPrice('all').rates,
  ...{ image: '40000', image_large: '80000', image_hd: '80000', image_hd_large: '120000' },
  ...{ audio_second: '100', character: '15' },
};

export interface FuzzReport {
  /** Answers by status; 0 = the connection was closed without one. */
  statuses: Map<number, number>;
  /** Addresses of which at least one call was served. */
  servedPaths: Set<string>;
  /** Answers that say that something is wrong on our side. */
  failures: string[];
  /** Held by calls that have ended, in all scopes. */
  heldNanoUsd: bigint;
  openHolds: number;
  isAlive: boolean;
  /** The provider is not what is tested: had it ended, little would have been. */
  isUpstreamAlive: boolean;
  output: string;
}

/**
 * The simulated provider is told no fault, so that there is nothing to excuse: where it failed or broke off, or was never
 * reached, it was sent what should not have been sent, or asked wrongly. Its own refusals of odd bodies are below 500.
 */
function isOurs({ status, text }: FuzzAnswer): boolean {
  return (status ?? 0) >= 500 || (status === 200 && /"code":\s*"(upstream_|internal_error)/.test(text));
}

function describe(sent: FuzzCase, answer: FuzzAnswer): string {
  const body = (sent.raw ?? sent.body).toString('utf8').slice(0, 400);
  return `${answer.status} ${answer.text.slice(0, 300)} after ${sent.method} ${sent.path} ${JSON.stringify(sent.headers)} ${body}`;
}

/** Sends `runs` generated requests to a real gateway process and looks at what is left behind. */
export async function runFuzz(runs: number): Promise<FuzzReport> {
  const fixture = await GatewayFixture.start({
    models: (url) => [
      testModel('all', url, { endpoints: ENDPOINTS.filter((name) => name !== 'messages') }),
      testModel('all-claude', url, { endpoints: ['messages'], deployment: { provider: 'anthropic' } }),
    ],
    rates: { all: ALL_RATES },
  });
  try {
    const key = await fixture.addKey({ models: ['*'], rpm: 1_000_000, budgetNanoUsd: parseUsd('1000000').toString() });
    const cases = fc.sample(fuzzCases(key.text), { numRuns: runs, seed: FUZZ_SEED });
    const statuses = new Map<number, number>();
    const servedPaths = new Set<string>();
    const failures: string[] = [];
    await sendAll(fixture.url, cases, (sent, answer) => {
      statuses.set(answer.status ?? 0, (statuses.get(answer.status ?? 0) ?? 0) + 1);
      if (answer.status === 200) servedPaths.add(sent.path);
      if (isOurs(answer)) failures.push(describe(sent, answer));
    });
    const { accountTag } = key.projection;
    const held = async () => (await fixture.view.listOpen(accountTag)).filter((entry) => entry.state !== 'settled');
    await waitUntil(async () => (await held()).length === 0, { what: 'every hold to be settled', timeoutMs: SETTLE_MS_MAX });
    const { scopes } = await fixture.view.inspect(accountTag);
    return {
      statuses,
      servedPaths,
      failures,
      heldNanoUsd: scopes.reduce((sum, { heldNanoUsd }) => sum + heldNanoUsd, 0n),
      openHolds: (await held()).length,
      isAlive: fixture.gateway.child.exitCode === null,
      isUpstreamAlive: (await fetch(`${fixture.upstreamUrl}/health/live`).catch(() => null))?.status === 200,
      output: fixture.output,
    };
  } finally {
    await fixture.stop();
  }
}
