import type { FaultPlan } from './faults/fault.types.js';

type Step = [kind: string, target: string, holdMs: number, detail?: FaultPlan['detail']];

/** One of each, some into the consequences of the one before. */
const STEPS: Step[] = [
  ['kill gateway', 'gateway-1', 300],
  ['fail point', 'gateway-2', 100, { point: 'gateway.after_accepted', action: 'kill', passing: 8 }],
  ['fail point', 'metering-1', 100, { point: 'metering.after_commit', action: 'kill', passing: 3 }],
  ['poison stream', 'nats', 0, { poison: 'garbage' }],
  ['poison stream', 'nats', 0, { poison: 'another charge' }],
  ['poison stream', 'nats', 0, { poison: 'a booked call with other content' }],
  ['poison stream', 'nats', 0, { poison: 'a booked call once more' }],
  ['lose Redis with its data', 'redis', 300],
  ['kill metering', 'metering-2', 300],
  ['quit PostgreSQL', 'postgres', 500],
  ['fail point', 'gateway-1', 100, { point: 'gateway.after_completed', action: 'kill', passing: 8 }],
  ['kill NATS', 'nats', 1_000],
  ['blackhole network', 'gateway-2>redis', 1_000],
  ['fill disk of a journal', 'gateway-1', 1_500],
  ['estimates before the truth', 'nats', 0],
  ['delete stream', 'nats', 0],
  ['skew clock of gateway', 'gateway-2', 0, { skewMs: -5_000 }],
  ['stop gateway', 'gateway-2', 1_500],
  ['fail point', 'gateway-1', 100, { point: 'gateway.after_admit', action: 'kill', passing: 8 }],
  ['cut network', 'metering-1>postgres', 1_000],
  ['flush Redis', 'redis', 0],
];
const STEP_MS = 1_500;
const LEAD_MS = 2_000;

/** The same faults in the same order at the same times: what runs with every `npm test`. */
export const SHORT_SET: readonly FaultPlan[] = STEPS.map(([kind, target, holdMs, detail = {}], index) => ({
  id: index + 1,
  atMs: LEAD_MS + index * STEP_MS,
  kind,
  target,
  holdMs,
  detail,
}));

/** Later ones are left out, whatever held up the earlier ones. The set takes 40 s on a machine that has time, and a multiple of it on one that has not. */
export const SHORT_SET_MS = 240_000;
export const SHORT_SET_SEED = 20_261_121;
