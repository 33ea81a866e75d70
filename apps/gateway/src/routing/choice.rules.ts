import type { Deployment } from '@tensorloop/contracts/model-catalogue';

/** What bears on whether a deployment may be asked now. */
export interface Candidate {
  deployment: Deployment;
  /** Its circuit lets calls through. */
  isClosed: boolean;
  /** It asked to be left alone for a while (`retry-after`). */
  isCooling: boolean;
  room: 'free' | 'queue' | 'none';
}

/**
 * The deployment to ask next: of those that may be asked, the lowest priority; among equals one with a free place before one
 * to queue for; then at random in proportion to weight. `draw` is in [0, 1). Null when none may be asked.
 */
export function chooseDeployment(candidates: readonly Candidate[], draw: number): Deployment | null {
  const [first] = candidates;
  // Most models have one deployment.
  if (first !== undefined && candidates.length === 1) return isUsable(first) ? first.deployment : null;
  const usable = candidates.filter(isUsable);
  if (usable.length === 0) return null;
  const priority = Math.min(...usable.map((candidate) => candidate.deployment.priority));
  const equals = usable.filter((candidate) => candidate.deployment.priority === priority);
  const free = equals.filter((candidate) => candidate.room === 'free');
  return drawByWeight(free.length > 0 ? free : equals, draw);
}

/**
 * The same for a call's first attempt, which may end at a deployment that is cooling down when there is no other: limits of
 * providers are many (tokens, requests, per model), and one large call that met one of them must not close the model to all.
 */
export function chooseFirst(candidates: readonly Candidate[], draw: number): Deployment | null {
  const chosen = chooseDeployment(candidates, draw);
  if (chosen !== null) return chosen;
  const warm = candidates.map((candidate) => ({ ...candidate, isCooling: false }));
  return chooseDeployment(warm, draw);
}

function isUsable({ deployment, isClosed, isCooling, room }: Candidate): boolean {
  return deployment.weight > 0 && isClosed && !isCooling && room !== 'none';
}

function drawByWeight(candidates: readonly Candidate[], draw: number): Deployment {
  const total = candidates.reduce((sum, { deployment }) => sum + deployment.weight, 0);
  let left = draw * total;
  for (const { deployment } of candidates) {
    left -= deployment.weight;
    if (left < 0) return deployment;
  }
  return (candidates.at(-1) as Candidate).deployment;
}
