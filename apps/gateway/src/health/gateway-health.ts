import type { NatsLink } from '@tensorloop/messaging/connection';
import type { HealthRegistry } from '@tensorloop/nest-kit/health';
import type { Metrics } from '@tensorloop/observability/metrics';
import type { Redis } from 'ioredis';
import type { AdmissionGate } from '../admission/admission-gate.service.js';
import type { Journal } from '../journal/journal.service.js';
import type { Capacity } from '../proxy/capacity.service.js';
import type { OpenCalls } from '../proxy/open-calls.service.js';
import type { RedisWrites } from '../settlement/redis-writes.service.js';
import type { Shipper } from '../settlement/shipper.service.js';
import type { GatewayMetrics } from './gateway-metrics.service.js';

export interface GatewayHealthParts {
  health: HealthRegistry;
  metrics: Metrics;
  gatewayMetrics: GatewayMetrics;
  capacity: Capacity;
  redis: Redis;
  link: NatsLink;
  journal: Journal;
  openCalls: OpenCalls;
  gate: Pick<AdmissionGate, 'waiting'>;
  writes: RedisWrites;
  shipper: Shipper;
}

/** Tells health checks and scrapes where to look. NATS is shown and not required: known keys are served without it. */
export function watchGateway(parts: GatewayHealthParts): void {
  const { health, capacity, redis, link } = parts;
  health.register('admission', async () => {
    const problem = capacity.problem();
    if (problem !== null) throw new Error(problem);
  });
  health.register('redis', async () => void (await redis.ping()));
  health.register(
    'nats',
    async () => {
      if (!link.isConnected) throw new Error('not connected');
    },
    { isRequired: false },
  );
  parts.gatewayMetrics.watch(parts.metrics, {
    openCalls: () => parts.openCalls.size,
    asking: () => parts.gate.waiting,
    unacknowledged: () => parts.shipper.backlog,
    waitingForRedis: () => parts.writes.size,
    journalEntries: () => parts.journal.entries.size,
    journalBytes: () => parts.journal.diskBytes,
  });
}
