import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type ChaosOptions, ChaosUnavailable } from './chaos-options.js';
import { ALL_FAULTS } from './faults/all-faults.js';
import { type ChaosReport, summarise } from './report/summary.js';
import { runRound } from './round.js';
import type { RoundReport } from './round.types.js';
import { runSteady } from './steady/run-steady.js';
import type { SteadyReport } from './steady/steady.types.js';

const FOLDER = join(import.meta.dirname, '../../.data/chaos');
/** An installation of its own for each: a round that fails can be repeated alone. */
const ROUND_MINUTES_MAX = 5;
const MS_PER_MINUTE = 60_000;
const SOAK_MINUTES = 20;
/** Calls in flight at each gateway, and the pause after each: what two cores carry beside the installation itself. */
const LANES = 10;
const THINK_MS = 120;

/** Rounds until the minutes are over. Round k of seed S is round 1 of seed S + k − 1. */
export async function runChaos(options: ChaosOptions, log: (text: string) => void): Promise<ChaosReport> {
  const { minutes, seed, only } = options;
  const kinds =
    only === null ? ALL_FAULTS : ALL_FAULTS.filter(({ kind }) => only.split(',').some((part) => kind.includes(part.trim())));
  if (kinds.length === 0) {
    throw new ChaosUnavailable(`There is no fault "${only}"; there are: ${ALL_FAULTS.map(({ kind }) => kind).join(', ')}.`);
  }
  const rounds: RoundReport[] = [];
  const broken: string[] = [];
  for (let left = minutes, index = 0; left > 0; left -= ROUND_MINUTES_MAX, index++) {
    const folder = join(FOLDER, String(seed + index));
    const durationMs = Math.min(left, ROUND_MINUTES_MAX) * MS_PER_MINUTE;
    const load = { lanes: LANES, thinkMs: THINK_MS };
    const report = await runRound({ seed: seed + index, durationMs, folder, kinds, plans: null, ...load, log }).catch(
      (error: unknown) => {
        if (error instanceof ChaosUnavailable) throw error;
        broken.push(`round ${seed + index} came to no end: ${String(error)}; evidence: ${folder}`);
        return null;
      },
    );
    if (report === null) continue;
    rounds.push(report);
    if (report.folder === null && !options.keep) rmSync(folder, { recursive: true, force: true });
    log(`round ${seed + index}: ${report.violations.length} violations in ${report.calls} calls`);
  }
  return summarise(rounds, { seed, command: commandOf(options), broken });
}

/** No faults: soak and overload. */
export function runSteadyScenario(options: ChaosOptions, log: (text: string) => void): Promise<SteadyReport> {
  const scenario = options.scenario === 'soak' ? 'soak' : 'overload';
  const minutes = options.isMinutesGiven ? options.minutes : SOAK_MINUTES;
  return runSteady({ scenario, durationMs: minutes * MS_PER_MINUTE, folder: join(FOLDER, scenario), log });
}

function commandOf({ minutes, seed, only }: ChaosOptions): string {
  return `npm run chaos -- --minutes ${minutes} --seed ${seed}${only === null ? '' : ` --scenario ${JSON.stringify(only)}`}`;
}
