/** `npm test` and `npm run test:long`: every check in turn, a table, and one closing line. Called by scripts/run.mjs. */
import { availableParallelism } from 'node:os';
import { reportTable } from './report.ts';
import { type CheckResult, runJest, runTool } from './runners.ts';

type Check = [name: string, run: () => Promise<CheckResult>];

const CORES = availableParallelism();

/**
 * Jest's default is one worker fewer than cores. Files with real servers wait more than they compute, for timers of the
 * product above all, and share nothing but PostgreSQL, of whose connections each takes some: hence the bound.
 */
const WORKERS = { unit: CORES, integration: Math.min(CORES * 2, 8), wholeProduct: 1 };

const CHECKS: Check[] = [
  ['types', () => runTool(['tsc', '--noEmit', '-p', 'tsconfig.json'])],
  ['lint', () => runTool(['biome', 'check', '--diagnostic-level=error', '.'])],
  ['boundaries', () => runTool(['node', 'scripts/boundaries/main.mjs'])],
  ['unit tests', () => runJest('unit', WORKERS.unit)],
  ['integration tests', () => runJest('integration', WORKERS.integration)],
  ['end-to-end tests', () => runJest('e2e', WORKERS.wholeProduct)],
];

const LONG_CHECKS: Check[] = [['long tests', () => runJest('long', WORKERS.wholeProduct)]];

async function main(args: string[]): Promise<number> {
  const results: CheckResult[] = [];
  for (const [name, run] of args.includes('--long') ? LONG_CHECKS : CHECKS) {
    console.log(`\n— ${name}`);
    results.push({ ...(await run()), name });
  }
  return reportTable(results);
}

process.exitCode = await main(process.argv.slice(2));
