/** `npm run chaos`: kills everything in turn, and asks afterwards whether a call was lost, doubled, or went past a limit. */
import { writeFileSync } from 'node:fs';
import { type ChaosOptions, ChaosUnavailable, readOptions } from './chaos-options.js';
import { writeReliabilityPage } from './report/reliability-page.js';
import { isSound } from './report/soundness.js';
import { formatSteady } from './report/steady-summary.js';
import { formatSummary } from './report/summary.js';
import { bigintAsText } from './round.js';
import { runChaos, runSteadyScenario } from './run-chaos.js';

const EXIT_VIOLATED = 1;
const EXIT_UNAVAILABLE = 2;
const SEEDS = 1_000_000;

const say = (text: string) => void process.stderr.write(`${text}\n`);

async function run(options: ChaosOptions): Promise<{ text: string; report: object; sound: boolean }> {
  if (options.scenario === 'mixed') {
    const report = await runChaos(options, say);
    if (options.docs) writeReliabilityPage(report);
    return { text: formatSummary(report), report, sound: isSound(report) };
  }
  const report = await runSteadyScenario(options, say);
  return { text: formatSteady(report), report, sound: report.violations.length === 0 };
}

try {
  const options = readOptions(process.argv.slice(2), 1 + Math.floor(Math.random() * SEEDS));
  const { text, report, sound } = await run(options);
  process.stdout.write(text);
  if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(report, bigintAsText, 2)}\n`);
  if (!sound) process.exitCode = EXIT_VIOLATED;
} catch (error) {
  const text = error instanceof ChaosUnavailable ? error.message : ((error as Error).stack ?? String(error));
  process.stderr.write(`The chaos suite cannot run. ${text}\n`);
  process.exitCode = EXIT_UNAVAILABLE;
}
// A socket to a part that was killed can outlive everything else here, and would keep the process.
process.exit();
