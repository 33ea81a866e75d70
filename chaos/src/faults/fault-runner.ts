import { setTimeout as delay } from 'node:timers/promises';
import { type FaultContext, FaultHadNoEffect, type FaultKind, type FaultOutcome, type FaultPlan } from './fault.types.js';

/** Faults at once. */
const ACTIVE_MAX = 3;
const POLL_MS = 25;

/** Carries out plans in their order, several at a time, never two on one part. */
export class FaultRunner {
  readonly outcomes: FaultOutcome[] = [];
  private readonly locked = new Set<string>();
  private readonly active = new Set<Promise<void>>();
  private readonly kinds: Map<string, FaultKind>;

  constructor(
    private readonly context: FaultContext,
    kinds: readonly FaultKind[],
  ) {
    this.kinds = new Map(kinds.map((kind) => [kind.kind, kind]));
  }

  /** Resolves when every fault has been healed. Plans that would begin after `endsAtMs` are left out. */
  async run(plans: readonly FaultPlan[], { endsAfterMs }: { endsAfterMs: number }): Promise<void> {
    const beganAtMs = performance.now();
    const elapsedMs = () => performance.now() - beganAtMs;
    for (const plan of plans) {
      const kind = this.kinds.get(plan.kind) as FaultKind;
      const locks = kind.locks(plan);
      while (elapsedMs() < plan.atMs || this.active.size >= ACTIVE_MAX || locks.some((lock) => this.locked.has(lock))) {
        if (elapsedMs() > endsAfterMs) break;
        await delay(POLL_MS);
      }
      if (elapsedMs() > endsAfterMs) break;
      this.begin(kind, plan, locks);
    }
    while (this.active.size > 0) await Promise.all([...this.active]);
  }

  private begin(kind: FaultKind, plan: FaultPlan, locks: string[]): void {
    for (const lock of locks) this.locked.add(lock);
    const work = this.carryOut(kind, plan).finally(() => {
      for (const lock of locks) this.locked.delete(lock);
      this.active.delete(work);
    });
    this.active.add(work);
  }

  private async carryOut(kind: FaultKind, plan: FaultPlan): Promise<void> {
    const { log } = this.context;
    const never = Number.POSITIVE_INFINITY;
    const outcome: FaultOutcome = {
      plan,
      injectedAtMs: Date.now(),
      endedAtMs: never,
      healedAtMs: never,
      problem: null,
      isIdle: false,
    };
    this.outcomes.push(outcome);
    const detail = Object.keys(plan.detail).length > 0 ? ` ${JSON.stringify(plan.detail)}` : '';
    log(`fault ${plan.id}: ${plan.kind}: ${plan.target}${detail} for ${plan.holdMs} ms`);
    try {
      const heal = await kind.inject(this.context, plan);
      await delay(plan.holdMs);
      outcome.endedAtMs = Date.now();
      await heal();
    } catch (error) {
      outcome.problem = error instanceof Error ? error.message : String(error);
      outcome.isIdle = error instanceof FaultHadNoEffect;
      log(`fault ${plan.id} could not be carried out: ${outcome.problem}`);
    }
    outcome.healedAtMs = Date.now();
    log(`fault ${plan.id}: healed after ${outcome.healedAtMs - outcome.injectedAtMs} ms`);
  }
}
