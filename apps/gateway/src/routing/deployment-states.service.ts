import type { Deployment, ModelCatalogue } from '@tensorloop/contracts/model-catalogue';
import type { Candidate } from './choice.rules.js';
import { CircuitBreaker } from './circuit-breaker.rules.js';
import { Places } from './places.service.js';

/** What this gateway knows of one deployment: its circuit, its places, and until when it wants to be left alone. */
export class DeploymentState {
  readonly circuit: CircuitBreaker;
  readonly places: Places;
  private coolingUntilMs = 0;

  constructor(
    private current: Deployment,
    options: { onOpened: () => void; queueMs?: number | undefined },
  ) {
    this.circuit = new CircuitBreaker(options.onOpened);
    this.places = new Places(() => this.current, options.queueMs);
  }

  get deployment(): Deployment {
    return this.current;
  }

  /** The same place under other limits. */
  change(deployment: Deployment): void {
    this.current = deployment;
    this.places.serveQueue();
  }

  coolDown(ms: number, nowMs: number): void {
    this.coolingUntilMs = Math.max(this.coolingUntilMs, nowMs + ms);
  }

  isCooling(nowMs: number): boolean {
    return nowMs < this.coolingUntilMs;
  }

  candidateAt(nowMs: number): Candidate {
    return {
      deployment: this.current,
      isClosed: this.circuit.isPassable(nowMs),
      isCooling: this.isCooling(nowMs),
      room: this.places.room,
    };
  }
}

export interface DeploymentStatesOptions {
  onOpened?: (deploymentId: string) => void;
  queueMs?: number;
}

/** The states by deployment id. A deployment that now lives elsewhere begins anew; one that left the catalogue is forgotten. */
export class DeploymentStates {
  private readonly states = new Map<string, DeploymentState>();

  constructor(private readonly options: DeploymentStatesOptions = {}) {}

  /** A call that was admitted under an earlier catalogue gets a state of its own rather than change that of the new one. */
  of(deployment: Deployment): DeploymentState {
    const known = this.states.get(deployment.id);
    if (known === undefined) return this.begin(deployment);
    return isSamePlace(known.deployment, deployment) ? known : this.create(deployment);
  }

  /** Calls under way keep the state that they began with. */
  follow({ models }: ModelCatalogue): void {
    const deployments = models.flatMap((model) => model.deployments);
    const ids = new Set(deployments.map((deployment) => deployment.id));
    for (const id of this.states.keys()) if (!ids.has(id)) this.states.delete(id);
    for (const deployment of deployments) {
      const known = this.states.get(deployment.id);
      if (known === undefined || !isSamePlace(known.deployment, deployment)) this.begin(deployment);
      else known.change(deployment);
    }
  }

  list(): DeploymentState[] {
    return [...this.states.values()];
  }

  private begin(deployment: Deployment): DeploymentState {
    const state = this.create(deployment);
    this.states.set(deployment.id, state);
    return state;
  }

  private create(deployment: Deployment): DeploymentState {
    return new DeploymentState(deployment, {
      onOpened: () => this.options.onOpened?.(deployment.id),
      queueMs: this.options.queueMs,
    });
  }
}

function isSamePlace(one: Deployment, other: Deployment): boolean {
  return (
    one.provider === other.provider &&
    one.baseUrl === other.baseUrl &&
    one.upstreamModel === other.upstreamModel &&
    one.credential === other.credential &&
    one.apiVersion === other.apiVersion
  );
}
