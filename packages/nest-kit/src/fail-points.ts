/**
 * Fail points: named instants between two durable steps at which a process can be told to die, stop or fail, so that tests
 * reach the narrow places a kill at random never meets. Off unless the configuration names them.
 */
import { writeSync } from 'node:fs';

/** By app. A name says which durable step was just taken, or is about to be. */
const FAIL_POINTS = {
  gateway: [
    /** Redis admitted and holds; nothing is in the journal. */
    'after_admit',
    /** `accepted` is on the disk; no byte reached the client. */
    'after_accepted',
    /** A piece of a streamed answer was given to the client. */
    'mid_stream',
    /** `completed` is on the disk; Redis is not settled, the last byte is not sent, nothing is published. */
    'after_completed',
    /** JetStream confirmed the event. */
    'after_publish',
    /** A settle-ack is here; Redis does not know it. */
    'before_settle_ack_applied',
    /** Redis took the settle-ack; the journal still has the entry. */
    'after_settle_ack_applied',
  ],
  metering: [
    /** All of a batch is written; COMMIT is not sent. */
    'before_commit',
    /** COMMIT is confirmed; neither settle-acks nor acknowledgements are sent. */
    'after_commit',
    /** The settle-acks are with the NATS client; the stream is not acknowledged. */
    'after_settle_ack',
    /** Both are with the NATS client, and any of them may still be unsent. */
    'after_ack',
  ],
  'control-plane': [
    /** A key's change and its outbox row are committed; Redis does not know it. */
    'after_outbox_commit',
    /** Redis holds the projection; the outbox row is still there. */
    'after_projection',
  ],
} as const;

export type FailPointApp = keyof typeof FAIL_POINTS;
export type FailPointName = {
  [App in FailPointApp]: `${App}.${(typeof FAIL_POINTS)[App][number]}`;
}[FailPointApp];

/** Longest standstill, in milliseconds. */
export const FREEZE_MS_MAX = 60_000;
export const PASSING_MAX = 1_000_000_000;
/** Says "a fault was injected", and neither "it crashed" nor "it was misconfigured". */
export const EXIT_FAIL_POINT = 70;

export type FailPointAction =
  /** SIGKILL and SIGSTOP to itself, at that very instant. */
  | { kind: 'kill' }
  | { kind: 'stop' }
  /** Ends without shutting anything down. */
  | { kind: 'exit' }
  | { kind: 'error' }
  /** Nothing of the process moves for so long, as in a long garbage collection. */
  | { kind: 'freeze'; milliseconds: number };

export interface FailPointPlan {
  name: FailPointName;
  action: FailPointAction;
  /** Counted from 1 since the process started; fires once. `every`: each time. */
  passing: number | 'every';
}

export class FailPointError extends Error {
  override readonly name = 'FailPointError';
  readonly code = 'fail_point';
}

export function listFailPoints(app: FailPointApp): FailPointName[] {
  return FAIL_POINTS[app].map((point) => `${app}.${point}` as FailPointName);
}

const ENTRY = /^([a-z0-9_.-]+)=(kill|stop|exit|error|freeze:(\d{1,5}))(?:@(every|[1-9]\d{0,9}))?$/;

/** Reads "gateway.after_accepted=kill@17,gateway.mid_stream=freeze:500". Returns what is wrong with it as text. */
export function parseFailPoints(app: FailPointApp, text: string): FailPointPlan[] | { problem: string } {
  const plans = new Map<string, FailPointPlan>();
  for (const entry of text.split(',')) {
    const plan = parseEntry(app, entry.trim());
    if ('problem' in plan) return plan;
    if (plans.has(plan.name)) return { problem: `"${plan.name}" is named twice` };
    plans.set(plan.name, plan);
  }
  return [...plans.values()];
}

function parseEntry(app: FailPointApp, entry: string): FailPointPlan | { problem: string } {
  const match = ENTRY.exec(entry);
  const names = listFailPoints(app);
  if (match === null) {
    return { problem: `"${entry}" is not <name>=<kill|stop|exit|error|freeze:ms>[@<n>|@every]; names: ${names.join(', ')}` };
  }
  const [, name, kind = '', freezeMs, at = '1'] = match;
  const known = names.find((candidate) => candidate === name);
  if (known === undefined) return { problem: `"${name}" is no fail point here; there are ${names.join(', ')}` };
  const milliseconds = Number(freezeMs);
  if (milliseconds > FREEZE_MS_MAX) return { problem: `"${name}" would freeze for more than ${FREEZE_MS_MAX} ms` };
  const passing = at === 'every' ? at : Number(at);
  if (passing !== 'every' && passing > PASSING_MAX) return { problem: `"${name}" waits for more than ${PASSING_MAX} passings` };
  const action = freezeMs === undefined ? { kind: kind as 'kill' } : { kind: 'freeze' as const, milliseconds };
  return { name: known, action, passing };
}

/** What an action does to the process. Tests that must survive pass their own. */
export interface FailPointEffects {
  signal(signal: 'SIGKILL' | 'SIGSTOP'): void;
  exit(code: number): void;
  freeze(milliseconds: number): void;
  /** Before the action, and synchronous: a line that waits in a buffer dies with the process. */
  announce(fields: Record<string, unknown>): void;
}

const STANDARD_OUTPUT = 1;

const realEffects: FailPointEffects = {
  signal: (signal) => process.kill(process.pid, signal),
  exit: (code) => process.exit(code),
  freeze: (milliseconds) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds),
  announce: (fields) => {
    try {
      writeSync(STANDARD_OUTPUT, `${JSON.stringify(fields)}\n`);
    } catch {
      // A reader that is too slow, or gone, does not keep the fault from happening.
    }
  },
};

type Pass = (name: FailPointName) => void;

function passOf(plans: readonly FailPointPlan[], effects: FailPointEffects): Pass {
  const planOf = new Map(plans.map((plan) => [plan.name, plan]));
  const passings = new Map<FailPointName, number>();
  return (name) => {
    const plan = planOf.get(name);
    if (plan === undefined) return;
    const passing = (passings.get(name) ?? 0) + 1;
    passings.set(name, passing);
    if (plan.passing === 'every' || plan.passing === passing) fire(plan, passing, effects);
  };
}

function fire({ name, action }: FailPointPlan, passing: number, effects: FailPointEffects): void {
  const fields = { service: name.split('.')[0], failPoint: name, action: action.kind, passing, pid: process.pid };
  effects.announce({ level: 'warn', time: new Date().toISOString(), ...fields, msg: 'fail point fired' });
  if (action.kind === 'kill') effects.signal('SIGKILL');
  else if (action.kind === 'stop') effects.signal('SIGSTOP');
  else if (action.kind === 'exit') effects.exit(EXIT_FAIL_POINT);
  else if (action.kind === 'freeze') effects.freeze(action.milliseconds);
  else throw new FailPointError(`the fail point ${name} was told to fail`);
}

/** Of the process, like the faults themselves: two apps in one test process share it. */
let armed: Pass | null = null;

/** Passes a fail point. Unarmed, which is always outside tests of failures, it is one comparison. */
export function failPoint(name: FailPointName): void {
  if (armed !== null) armed(name);
}

/** Arms the process. Returns what takes it back; passings are counted anew each time. */
export function armFailPoints(plans: readonly FailPointPlan[], effects: FailPointEffects = realEffects): () => void {
  armed = plans.length === 0 ? null : passOf(plans, effects);
  return () => {
    armed = null;
  };
}
