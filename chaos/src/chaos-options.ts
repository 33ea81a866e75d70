import { parseArgs } from 'node:util';

export const SCENARIOS = ['mixed', 'soak', 'overload'] as const;
export type Scenario = (typeof SCENARIOS)[number];

export const USAGE = `npm run chaos -- [--minutes M] [--seed S] [--scenario ${SCENARIOS.join('|')}|"<kind of fault>"] [--json FILE] [--docs] [--keep]`;

const MINUTES_DEFAULT = 5;
const MINUTES_MAX = 24 * 60;
const SEED_MAX = 2 ** 31;

/** A mistake on the command line: a sentence for a person. Exit code 2. */
export class ChaosUnavailable extends Error {}

export interface ChaosOptions {
  minutes: number;
  /** Whether `minutes` was given: each scenario has its own idea of long enough. */
  isMinutesGiven: boolean;
  seed: number;
  scenario: Scenario;
  /** Only faults whose kind contains this, or one of these where it has commas; null = all. */
  only: string | null;
  jsonFile: string | null;
  /** The figures are written into docs/reliability.md. */
  docs: boolean;
  /** Evidence stays although nothing was found. */
  keep: boolean;
}

/** `scenario` is one of ours, or part of the kind of a fault: "kill gateway" alone, again and again. */
export function readOptions(args: string[], randomSeed: number): ChaosOptions {
  const flags = parseFlags(args);
  const named = flags.scenario ?? 'mixed';
  const scenario = SCENARIOS.find((known) => known === named);
  return {
    minutes: number('--minutes', flags.minutes ?? String(MINUTES_DEFAULT), MINUTES_MAX),
    isMinutesGiven: flags.minutes !== undefined,
    seed: Math.floor(number('--seed', flags.seed ?? String(randomSeed), SEED_MAX)),
    scenario: scenario ?? 'mixed',
    only: scenario ? null : named,
    jsonFile: flags.json ?? null,
    docs: flags.docs ?? false,
    keep: flags.keep ?? false,
  };
}

function parseFlags(args: string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    const options = { minutes: text, seed: text, scenario: text, json: text, docs: flag, keep: flag } as const;
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new ChaosUnavailable(`${error instanceof Error ? error.message : String(error)} Usage: ${USAGE}`);
  }
}

function number(flag: string, text: string, max: number): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && value <= max) return value;
  throw new ChaosUnavailable(`${flag} takes a number above 0, at most ${max}, not ${JSON.stringify(text)}. Usage: ${USAGE}`);
}
