import type { Metrics } from '@tensorloop/observability/metrics';
import type { CircuitState } from './circuit-breaker.rules.js';
import type { DeploymentStates } from './deployment-states.service.js';
import type { AttemptResult } from './routing.types.js';

const CIRCUIT_VALUES: Record<CircuitState, number> = { closed: 0, half_open: 1, open: 2 };

/** What routing does, by deployment: ids come from the catalogue, never from a client, so series stay countable. */
export class RoutingMetrics {
  private readonly attempts;
  private readonly openings;

  constructor(private readonly metrics: Metrics) {
    this.attempts = metrics.counter({
      name: 'tensorloop_gateway_attempts_total',
      help: 'Attempts that ended, by deployment and result.',
      labels: ['deployment', 'result'],
    });
    this.openings = metrics.counter({
      name: 'tensorloop_gateway_circuit_openings_total',
      help: 'How often the circuit of a deployment opened.',
      labels: ['deployment'],
    });
  }

  attempted(deployment: string, result: AttemptResult): void {
    this.attempts.inc({ deployment, result });
  }

  opened(deployment: string): void {
    this.openings.inc({ deployment });
  }

  watch(states: DeploymentStates, nowMs: () => number): void {
    const gauge = (name: string, help: string, read: (state: ReturnType<DeploymentStates['list']>[number]) => number) =>
      this.metrics.gauge({
        name,
        help,
        labels: ['deployment'],
        collect: (self) => {
          // Deployments that left the catalogue leave the exposition.
          self.reset();
          for (const state of states.list()) self.set({ deployment: state.deployment.id }, read(state));
        },
      });
    gauge(
      'tensorloop_gateway_circuit_state',
      'Circuit of a deployment: 0 closed, 1 half open, 2 open.',
      ({ circuit }) => CIRCUIT_VALUES[circuit.stateAt(nowMs())],
    );
    gauge('tensorloop_gateway_deployment_cooling', '1 while a deployment has asked to be left alone.', (state) =>
      state.isCooling(nowMs()) ? 1 : 0,
    );
    gauge('tensorloop_gateway_deployment_calls', 'Calls under way at a deployment.', ({ places }) => places.inFlight);
    gauge('tensorloop_gateway_deployment_queue', 'Calls that wait for a place at a deployment.', ({ places }) => places.queued);
  }
}
