import { Module } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { Metrics } from '@tensorloop/observability/metrics';
import { ModelStore } from '../models/model-store.service.js';
import { ModelsModule } from '../models/models.module.js';
import { Credentials } from '../upstreams/credentials.service.js';
import { ProviderUpstream } from '../upstreams/provider-upstream.service.js';
import { UpstreamsModule } from '../upstreams/upstreams.module.js';
import { DeploymentStates } from './deployment-states.service.js';
import { Dispatcher } from './dispatcher.service.js';
import { RoutingMetrics } from './routing-metrics.service.js';

const nowMs = () => performance.now();

@Module({
  imports: [ModelsModule, UpstreamsModule],
  providers: [
    { provide: RoutingMetrics, inject: [Metrics], useFactory: (metrics: Metrics) => new RoutingMetrics(metrics) },
    {
      provide: DeploymentStates,
      inject: [ModelStore, RoutingMetrics],
      useFactory: (models: ModelStore, metrics: RoutingMetrics) => {
        const states = new DeploymentStates({ onOpened: (id) => metrics.opened(id) });
        metrics.watch(states, nowMs);
        models.onCatalogue((catalogue) => states.follow(catalogue));
        return states;
      },
    },
    {
      provide: Dispatcher,
      inject: [ProviderUpstream, DeploymentStates, Credentials, RoutingMetrics, LOGGER],
      useFactory: (
        ...[upstream, states, credentials, metrics, logger]: [
          ProviderUpstream,
          DeploymentStates,
          Credentials,
          RoutingMetrics,
          Logger,
        ]
      ) =>
        new Dispatcher({
          upstream,
          states,
          credentials,
          random: Math.random,
          nowMs,
          onAttempt: (id, result) => metrics.attempted(id, result),
          onDefect: (err) => logger.error({ err }, 'a call could not be sent to a provider'),
        }),
    },
  ],
  exports: [Dispatcher, UpstreamsModule],
})
export class RoutingModule {}
