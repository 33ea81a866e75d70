import type { Payers } from '../load/payers.js';
import type { Tenants } from '../load/tenants.js';
import type { Random } from '../random.js';
import type { Installation } from '../topology/installation.js';

/** Drawn from the seed before anything runs. */
export interface FaultPlan {
  id: number;
  /** Milliseconds after the load began. A fault whose part is still harmed by an earlier one begins later. */
  atMs: number;
  /** As people call it, and as the table of availability lists it: "kill gateway". */
  kind: string;
  /** What is harmed: a part or a link. */
  target: string;
  /** From the harm to the beginning of its healing. */
  holdMs: number;
  /** What else the seed decided: a fail point and its passing, a delay, … */
  detail: Record<string, string | number>;
}

export interface FaultContext {
  installation: Installation;
  tenants: Tenants;
  payers: Payers;
  random: Random;
  log: (text: string) => void;
  /** Facts that the checks afterwards need to know. */
  facts: RunFacts;
}

/** Ends the harm. Resolves when the part works again as far as its process can tell. */
export type Heal = () => Promise<void>;

export interface FaultKind {
  kind: string;
  /** How often it is drawn beside the others. */
  weight: number;
  /** Draws target, duration and details. */
  draw(random: Random): Pick<FaultPlan, 'target' | 'holdMs' | 'detail'>;
  /** Parts that no other fault may touch meanwhile. */
  locks(plan: FaultPlan): string[];
  inject(context: FaultContext, plan: FaultPlan): Promise<Heal>;
}

/** What became of a plan. Unix ms. */
export interface FaultOutcome {
  plan: FaultPlan;
  injectedAtMs: number;
  /** When the cause was taken away: the link open, the command to start given. */
  endedAtMs: number;
  healedAtMs: number;
  /** What went wrong with the fault itself: it is then no proof of anything. */
  problem: string | null;
  /** There is a problem, and it is only that nothing came of it. */
  isIdle: boolean;
}

/** A gateway's own death, or its end: what it cut is flagged and estimated, and nobody else's is. */
export interface GatewayDeath {
  gateway: string;
  atMs: number;
  /** By when its process was gone for certain. */
  goneAtMs: number;
}

/** A gateway that stood still for longer than others wait for it: on waking it ends the calls it had open, as by its death. */
export interface GatewayStandstill extends GatewayDeath {
  wokenAtMs: number;
}

/** To be called once its process is gone. */
export type DeathNote = () => void;

/** A fault that was carried out and harmed nothing: a fail point that nobody passed. Listed, and counted nowhere. */
export class FaultHadNoEffect extends Error {}

/** An event of ours that has to be found in quarantine. */
export interface Poisoned {
  reason: string;
  publishedAtMs: number;
}

export class RunFacts {
  readonly deaths: GatewayDeath[] = [];
  readonly standstills: GatewayStandstill[] = [];
  /** By the hash of its payload. */
  readonly poison = new Map<string, Poisoned>();
  /** How often each was, as `point=action`. */
  readonly failPointsFired: Record<string, number> = {};
  /** Unix ms at which the whole stream was deleted. */
  readonly streamDeletedAtMs: number[] = [];
  /** Unix ms at which a backup of the database was put back. */
  readonly restoredAtMs: number[] = [];

  failPointFired(name: string): void {
    this.failPointsFired[name] = (this.failPointsFired[name] ?? 0) + 1;
  }

  gatewayDies(gateway: string): DeathNote {
    const never = Number.POSITIVE_INFINITY;
    const death = { gateway, atMs: Date.now(), goneAtMs: never };
    this.deaths.push(death);
    return () => {
      death.goneAtMs = Date.now();
    };
  }

  /** To be called once it has stopped; what it returns, at the instant before it wakes. */
  gatewayStands(gateway: string): () => void {
    const atMs = Date.now();
    const standstill = { gateway, atMs, goneAtMs: atMs, wokenAtMs: Number.POSITIVE_INFINITY };
    this.standstills.push(standstill);
    return () => {
      standstill.wokenAtMs = Date.now();
    };
  }
}
