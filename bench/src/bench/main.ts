/** `npm run bench`: measures the gateway beside its peers on this machine and writes docs/performance.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keepApiSection } from '../api/docs-section.js';
import { AuditUnavailable } from '../audit/audit.types.js';
import { BenchUnavailable, readBenchOptions } from './bench-options.js';
import { formatBench } from './report.js';
import { runBench } from './run-bench.js';

const ROOT = join(import.meta.dirname, '../../..');
const REPORT = join(ROOT, 'docs/performance.md');
const EXIT_UNSOUND = 1;
const EXIT_UNAVAILABLE = 2;

try {
  const args = process.argv.slice(2);
  const options = readBenchOptions(args);
  // Where this machine keeps its files is of no interest to readers of the report.
  const named = args.map((arg, index) => (args[index - 1] === '--json' ? 'FILE' : arg));
  const command = ['npm run bench', ...(named.length > 0 ? ['--', ...named] : [])].join(' ');
  const report = await runBench(options, command, (line) => {
    const seconds = Math.round(process.uptime()).toString().padStart(4);
    process.stderr.write(`${seconds} s  ${line}\n`);
  });
  const text = formatBench(report).replaceAll(`${ROOT}/`, '');
  process.stdout.write(text);
  if (options.writesReport) writeFileSync(REPORT, keepApiSection(text, readFileSync(REPORT, 'utf8')));
  if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
  if (report.audit.differences > 0) process.exitCode = EXIT_UNSOUND;
} catch (error) {
  const isExpected = error instanceof BenchUnavailable || error instanceof AuditUnavailable;
  process.stderr.write(`The bench cannot run. ${isExpected ? error.message : ((error as Error).stack ?? String(error))}\n`);
  process.exitCode = EXIT_UNAVAILABLE;
}
