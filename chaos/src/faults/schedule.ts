import type { Random } from '../random.js';
import type { FaultKind, FaultPlan } from './fault.types.js';

/** The load runs alone for so long first: what is normal has to be known. */
const LEAD_MS = 3_000;
/** What a restart takes, roughly; only spaces the plans. */
const HEAL_MS = 2_000;
const OVERLAP_SHARE = 0.35;
const OVERLAP_GAP_MS = { min: 200, max: 2_500 };
const ALONE_GAP_MS = { min: 1_500, max: 3_500 };

/** Every fault of a run, decided before it begins. */
export function drawSchedule(kinds: readonly FaultKind[], durationMs: number, random: Random): FaultPlan[] {
  const plans: FaultPlan[] = [];
  let atMs = LEAD_MS;
  while (atMs < durationMs) {
    const kind = drawKind(kinds, random);
    const plan = { id: plans.length + 1, atMs, kind: kind.kind, ...kind.draw(random) };
    plans.push(plan);
    atMs += random.chance(OVERLAP_SHARE)
      ? random.between(OVERLAP_GAP_MS.min, OVERLAP_GAP_MS.max)
      : plan.holdMs + HEAL_MS + random.between(ALONE_GAP_MS.min, ALONE_GAP_MS.max);
  }
  return plans;
}

function drawKind(kinds: readonly FaultKind[], random: Random): FaultKind {
  const total = kinds.reduce((sum, { weight }) => sum + weight, 0);
  let draw = random.next() * total;
  for (const kind of kinds) {
    draw -= kind.weight;
    if (draw < 0) return kind;
  }
  return kinds[kinds.length - 1] as FaultKind;
}
