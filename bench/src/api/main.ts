/** `npm run bench:api`: asks the dashboard API about an account with a million calls, and how long it takes. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BenchUnavailable } from '../bench/bench-options.js';
import { BUSY_P95_MS_MAX, WrongAnswer } from './api.types.js';
import { readApiBenchOptions } from './api-options.js';
import { formatApiBench } from './api-report.js';
import { withApiSection } from './docs-section.js';
import { runApiBench } from './run-api-bench.js';

const REPORT = join(import.meta.dirname, '../../..', 'docs/performance.md');
const EXIT_NOT_MET = 1;
const EXIT_UNAVAILABLE = 2;

const say = (line: string) => process.stderr.write(`${Math.round(process.uptime()).toString().padStart(4)} s  ${line}\n`);

try {
  const args = process.argv.slice(2);
  const options = readApiBenchOptions(args);
  const command = ['npm run bench:api', ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
  const report = await runApiBench(options, command, {
    say,
    held: async ({ url, superuserDatabaseUrl }) => {
      say(`${url} and ${superuserDatabaseUrl} stay up until Ctrl-C`);
      await once(process, 'SIGINT');
    },
  });
  const text = formatApiBench(report);
  process.stdout.write(text);
  if (options.writesDocs) writeFileSync(REPORT, withApiSection(readFileSync(REPORT, 'utf8'), text));
  if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
  if (report.busiestP95Ms > BUSY_P95_MS_MAX) process.exitCode = EXIT_NOT_MET;
} catch (error) {
  const isExpected = error instanceof BenchUnavailable || error instanceof WrongAnswer;
  process.stderr.write(`The bench cannot run. ${isExpected ? error.message : ((error as Error).stack ?? String(error))}\n`);
  process.exitCode = EXIT_UNAVAILABLE;
}
