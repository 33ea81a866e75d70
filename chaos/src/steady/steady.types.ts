import type { Violation } from '../oracle/violation.js';
import type { Window } from './window.js';

export interface SteadyReport {
  scenario: 'soak' | 'overload';
  /** Calls a second that both gateways serve with this process beside them. */
  saturationPerSecond: number;
  calls: number;
  booked: number;
  /** What the scenario measured, by name; numbers are said with their unit in the name. */
  figures: Record<string, number | string | null>;
  windows: Record<string, Window>;
  violations: Violation[];
}
