import { writeFileSync } from 'node:fs';
import { AuditUnavailable } from './audit.types.js';
import { readCommandLine } from './audit-options.js';
import { formatReport } from './audit-table.js';
import { runAudit } from './run-audit.js';

const EXIT_DIFFERENCE = 1;
const EXIT_UNAVAILABLE = 2;

try {
  const { options, jsonFile } = readCommandLine(process.argv.slice(2), process.env);
  const report = await runAudit(options);
  process.stdout.write(formatReport(report));
  if (jsonFile !== null) writeFileSync(jsonFile, `${JSON.stringify(report, bigintAsText, 2)}\n`);
  if (report.differences > 0) process.exitCode = EXIT_DIFFERENCE;
} catch (error) {
  const text = error instanceof AuditUnavailable ? error.message : ((error as Error).stack ?? String(error));
  process.stderr.write(`The audit cannot run. ${text}\n`);
  process.exitCode = EXIT_UNAVAILABLE;
}

/** Money and counts leave as decimal strings: JSON numbers are doubles. */
function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
