import { type ApiError, apiError, unavailable } from '../errors/api-error.types.js';
import type { Credentials } from '../upstreams/credentials.service.js';
import type { Upstream, UpstreamRequest } from '../upstreams/upstream.types.js';
import { Attempt } from './attempt.js';
import { chooseDeployment, chooseFirst } from './choice.rules.js';
import type { DeploymentState, DeploymentStates } from './deployment-states.service.js';
import { ATTEMPTS_MAX, ATTEMPTS_MS_MAX } from './retry.rules.js';
import type { AttemptResult, Routing } from './routing.types.js';

const MS_PER_SECOND = 1_000;
const RETRY_SECONDS_MIN = 1;

export interface RouteParts {
  upstream: Upstream;
  states: DeploymentStates;
  credentials: Credentials;
  /** In [0, 1). */
  random: () => number;
  /** Monotonic. */
  nowMs: () => number;
  onAttempt: (deploymentId: string, result: AttemptResult) => void;
  /** Told of an exception that should not exist. */
  onDefect: (error: unknown) => void;
}

/** The way of one call through deployments, until one of them has its answer or none is left to ask. */
export class Route {
  private readonly untried: DeploymentState[];
  private readonly startedAtMs: number;
  private attempts = 0;
  private hasWaitedInVain = false;

  constructor(
    readonly parts: RouteParts,
    readonly routing: Routing,
  ) {
    this.untried = routing.deployments.map((deployment) => parts.states.of(deployment));
    this.startedAtMs = parts.nowMs();
  }

  begin(): void {
    const first = this.choose(chooseFirst);
    if (first === null) this.refuse();
    else this.go(first);
  }

  /** Where the call would go after a failed attempt; null = nowhere, and the failure is its answer. */
  findNext(): DeploymentState | null {
    const { exit } = this.routing.call;
    // For a client that left, nothing needs to be tried again.
    if (exit.outcome !== null || exit.isClientGone) return null;
    return this.choose(chooseDeployment);
  }

  go(state: DeploymentState): void {
    this.untried.splice(this.untried.indexOf(state), 1);
    this.routing.call.beginAttempt(state.deployment);
    if (state.places.room === 'free') {
      state.places.take();
      this.send(state);
    } else {
      state.places.wait(
        () => this.onPlace(state),
        () => this.onNoPlace(state),
      );
    }
  }

  private choose(rule: typeof chooseDeployment): DeploymentState | null {
    const nowMs = this.parts.nowMs();
    if (this.attempts >= ATTEMPTS_MAX || nowMs - this.startedAtMs > ATTEMPTS_MS_MAX) return null;
    const candidates = this.untried.map((state) => state.candidateAt(nowMs));
    const chosen = rule(candidates, this.parts.random());
    return this.untried.find(({ deployment }) => deployment === chosen) ?? null;
  }

  private send(state: DeploymentState): void {
    this.attempts += 1;
    const { parts, routing } = this;
    let request: UpstreamRequest;
    try {
      request = routing.requestFor(state.deployment);
    } catch (error) {
      return this.giveUp(state, error);
    }
    const attempt = new Attempt(this, state);
    try {
      parts.upstream.send(request, attempt);
    } catch (error) {
      parts.onDefect(error);
      attempt.onFailure('protocol');
    }
  }

  /** What cannot be put into words for the provider is our defect: its circuit must not open for it, nor is another asked. */
  private giveUp(state: DeploymentState, error: unknown): void {
    const { call, answer } = this.routing;
    this.parts.onDefect(error);
    state.places.giveBack();
    call.endAttempt(null, 'aborted');
    answer.refuse(apiError('internal_error', 'Something went wrong on our side. Nothing was charged.'));
  }

  /** False = the place is not wanted. */
  private onPlace(state: DeploymentState): boolean {
    const { call, answer } = this.routing;
    if (call.exit.outcome !== null) return false;
    if (call.exit.isClientGone) {
      call.endAttempt(null, 'aborted');
      answer.refuse(saturated(RETRY_SECONDS_MIN));
      return false;
    }
    if (!state.circuit.isPassable(this.parts.nowMs())) {
      this.onNoPlace(state);
      return false;
    }
    this.send(state);
    return true;
  }

  private onNoPlace(state: DeploymentState): void {
    const { call } = this.routing;
    if (call.exit.outcome !== null) return;
    this.hasWaitedInVain = true;
    this.parts.onAttempt(state.deployment.id, 'queue_timeout');
    call.endAttempt(null, 'queue_timeout');
    const next = this.findNext();
    if (next === null) this.refuse();
    else this.go(next);
  }

  private refuse(): void {
    const nowMs = this.parts.nowMs();
    const isClosed = this.untried.some(({ circuit }) => circuit.isPassable(nowMs));
    if (this.hasWaitedInVain || isClosed) return this.routing.answer.refuse(saturated(RETRY_SECONDS_MIN));
    const waitMs = Math.min(...this.untried.map(({ circuit }) => circuit.waitMs(nowMs)));
    const seconds = Math.max(RETRY_SECONDS_MIN, Math.ceil(waitMs / MS_PER_SECOND));
    const message = 'The providers of this model have been failing and are being left alone for a moment. Nothing was charged.';
    this.routing.answer.refuse(unavailable('upstream_unavailable', message, seconds));
  }
}

function saturated(seconds: number): ApiError {
  const message = 'The providers of this model are busy with as many calls as they may be sent. Nothing was charged.';
  return unavailable('upstream_saturated', message, seconds);
}
