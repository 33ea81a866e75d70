/** `npm test` and `npm run test:long`: every check in turn, a table, and one closing line. Called by scripts/run.mjs. */
import { reportTable } from './report.ts';
import { type CheckResult, runJest, runTool } from './runners.ts';

type Check = [name: string, run: () => Promise<CheckResult>];

const CHECKS: Check[] = [
  ['types', () => runTool(['tsc', '--noEmit', '-p', 'tsconfig.json'])],
  ['lint', () => runTool(['biome', 'check', '--diagnostic-level=error', '.'])],
  ['boundaries', () => runTool(['node', 'scripts/boundaries/main.mjs'])],
  ['unit tests', () => runJest('unit')],
  ['integration tests', () => runJest('integration')],
  ['end-to-end tests', () => runJest('e2e')],
];

const LONG_CHECKS: Check[] = [['long tests', () => runJest('long')]];

async function main(args: string[]): Promise<number> {
  const results: CheckResult[] = [];
  for (const [name, run] of args.includes('--long') ? LONG_CHECKS : CHECKS) {
    console.log(`\n— ${name}`);
    results.push({ ...(await run()), name });
  }
  return reportTable(results);
}

process.exitCode = await main(process.argv.slice(2));
