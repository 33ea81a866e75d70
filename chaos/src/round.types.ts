import type { FaultKind, FaultPlan } from './faults/fault.types.js';
import type { Violation } from './oracle/violation.js';
import type { AvailabilityRow } from './report/availability.js';

export interface RoundOptions {
  seed: number;
  durationMs: number;
  /** Holds everything of the round; removed at the end unless something was found. */
  folder: string;
  kinds: readonly FaultKind[];
  /** Null = drawn from the seed. */
  plans: readonly FaultPlan[] | null;
  lanes: number;
  thinkMs: number;
  log: (text: string) => void;
}

export interface RoundReport {
  seed: number;
  durationMs: number;
  faults: Record<string, number>;
  /** How often each was passed and did its harm, as `point=action`. */
  failPointsFired: Record<string, number>;
  /** Faults that could not be carried out: they prove nothing. */
  faultProblems: string[];
  /** Faults that were, and nothing came of them: they prove nothing either, and may be few. */
  idleFaults: string[];
  findings: string[];
  calls: number;
  answered: number;
  refused: number;
  failed: number;
  left: number;
  booked: number;
  estimated: number;
  chargedNanoUsd: bigint;
  servedForNobody: number;
  lostOnTheWay: number;
  /** Limits passed by no more than what a fenced gateway had open when Redis was rebuilt without it. */
  spentTwice: number;
  /** Calls booked as estimates whose true end arrived afterwards. */
  corrected: number;
  /** How often clients were refused with each code. */
  refusalCodes: Record<string, number>;
  lost: number;
  doubled: number;
  overshoot: number;
  violations: Violation[];
  availability: AvailabilityRow[];
  /** From the end of the load until nothing was under way. */
  quiescenceMs: number;
  /** Where the evidence lies; null = removed. */
  folder: string | null;
}
