import type { RoundReport } from '../round.types.js';
import type { ChaosReport } from './summary.js';

/** Of what the provider served, at most: each was given away in the instant of a gateway's death. */
const FOR_NOBODY_SHARE_MAX = 0.01;
/** Of all calls. With fewer in the books most of what was to be checked did not happen. */
const BOOKED_SHARE_MIN = 0.2;
/** Of all faults. A fail point that nobody passes now and then is chance. */
const IDLE_SHARE_MAX = 0.25;
/** In less time a limit need not be reached. */
const LIMITS_AFTER_MS = 120_000;

/** One of the codes by which each limit says that it was reached. */
const LIMIT_CODES: Record<string, readonly string[]> = {
  'a key’s budget': ['insufficient_quota', 'budget_held'],
  'a day’s limit': ['daily_limit_reached', 'daily_limit_held'],
  'a prepaid balance': ['insufficient_balance', 'balance_held'],
};

/** Nothing was violated, no goal was missed, and enough happened that this says something. */
export function isSound({ violations, goals, shortcomings }: ChaosReport): boolean {
  return violations === 0 && shortcomings.length === 0 && goals.every(({ isMet }) => isMet !== false);
}

/** Whether its evidence may be thrown away. */
export function isRoundSound(round: RoundReport): boolean {
  return round.violations.length === 0 && round.findings.length === 0 && round.faultProblems.length === 0;
}

/** What makes a run no proof although its books are exact. */
export function shortcomingsOf(rounds: readonly RoundReport[]): string[] {
  const sum = (read: (round: RoundReport) => number) => rounds.reduce((total, round) => total + read(round), 0);
  const found: string[] = [];
  const demand = (isMet: boolean, text: string) => {
    if (!isMet) found.push(text);
  };
  const [calls, booked, forNobody] = [
    sum((each) => each.calls),
    sum((each) => each.booked),
    sum((each) => each.servedForNobody),
  ];
  demand(booked > 0 && booked >= calls * BOOKED_SHARE_MIN, `only ${booked} of ${calls} calls were booked`);
  demand(forNobody <= booked * FOR_NOBODY_SHARE_MAX, `${forNobody} calls were served for nobody`);
  const problems = sum((each) => each.faultProblems.length);
  demand(problems === 0, `${problems} faults could not be carried out`);
  const findings = sum((each) => each.findings.length);
  demand(findings === 0, `${findings} findings`);
  const idle = sum((each) => each.idleFaults.length);
  const effective = sum((each) => Object.values(each.faults).reduce((total, count) => total + count, 0));
  demand(idle <= (idle + effective) * IDLE_SHARE_MAX, `${idle} faults had no effect, ${effective} had one`);
  if (sum((each) => each.durationMs) < LIMITS_AFTER_MS) return found;
  for (const [limit, codes] of Object.entries(LIMIT_CODES)) {
    const reached = sum((each) => codes.reduce((total, code) => total + (each.refusalCodes[code] ?? 0), 0));
    demand(reached > 0, `${limit} was never reached`);
  }
  return found;
}
