/** `npm run replay`: sends a trace through the running installation and audits what became of it. */
import { writeFileSync } from 'node:fs';
import { AuditUnavailable } from '../audit/audit.types.js';
import { ReplayUnavailable, readInstallation, readOptions } from './replay-options.js';
import { formatReplay, isSound, replayJson } from './replay-report.js';
import { runReplay } from './run-replay.js';

const EXIT_UNSOUND = 1;
const EXIT_UNAVAILABLE = 2;

try {
  const options = readOptions(process.argv.slice(2));
  const report = await runReplay(options, readInstallation(process.env), (line) => process.stderr.write(`${line}\n`));
  process.stdout.write(formatReplay(report));
  if (options.jsonFile !== null) writeFileSync(options.jsonFile, replayJson(report));
  if (!isSound(report)) process.exitCode = EXIT_UNSOUND;
} catch (error) {
  const isExpected = error instanceof ReplayUnavailable || error instanceof AuditUnavailable;
  const text = isExpected ? error.message : ((error as Error).stack ?? String(error));
  process.stderr.write(`The replay cannot run. ${text}\n`);
  process.exitCode = EXIT_UNAVAILABLE;
}
