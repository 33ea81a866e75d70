/** `npm run chaos`: kills everything in turn, and asks afterwards whether a call was lost, doubled, or went past a limit. */
import { writeFileSync } from 'node:fs';
import { ChaosUnavailable, readOptions } from './chaos-options.js';
import { formatSummary } from './report/summary.js';
import { bigintAsText } from './round.js';
import { runChaos } from './run-chaos.js';

const EXIT_VIOLATED = 1;
const EXIT_UNAVAILABLE = 2;
const SEEDS = 1_000_000;

try {
  const options = readOptions(process.argv.slice(2), 1 + Math.floor(Math.random() * SEEDS));
  const report = await runChaos(options, (text) => process.stderr.write(`${text}\n`));
  process.stdout.write(formatSummary(report));
  if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(report, bigintAsText, 2)}\n`);
  if (report.violations > 0) process.exitCode = EXIT_VIOLATED;
} catch (error) {
  const text = error instanceof ChaosUnavailable ? error.message : ((error as Error).stack ?? String(error));
  process.stderr.write(`The chaos suite cannot run. ${text}\n`);
  process.exitCode = EXIT_UNAVAILABLE;
}
