import { Module } from '@nestjs/common';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { AdmissionStateModule } from '../admission/admission-state.module.js';
import { GatewayMetrics } from '../health/gateway-metrics.service.js';
import { JournalModule } from '../journal/journal.module.js';
import { Journal } from '../journal/journal.service.js';
import { CallSettler } from './call-settler.service.js';
import { RedisWrites } from './redis-writes.service.js';
import { SettleAcks } from './settle-acks.service.js';
import { Shipper } from './shipper.service.js';

type SettlerTuple = [Journal, RedisWrites, Shipper, GatewayMetrics, Logger];

/** A call that went as it should is worth a line only to someone who debugs; the books have it in any case. */
function logCall(logger: Logger, { requestId, outcome, httpStatus, keyId, model, latencyMs }: RequestCompleted): void {
  const isOrdinary = outcome === 'completed' || outcome === 'client_aborted';
  logger[isOrdinary ? 'debug' : 'info']({ requestId, outcome, httpStatus, keyId, model, latencyMs }, 'call ended');
}

@Module({
  imports: [JournalModule, AdmissionStateModule],
  providers: [
    { provide: RedisWrites, inject: [AdmissionClient], useFactory: (admission: AdmissionClient) => new RedisWrites(admission) },
    { provide: Shipper, inject: [Journal], useFactory: (journal: Journal) => new Shipper(journal) },
    {
      provide: CallSettler,
      inject: [Journal, RedisWrites, Shipper, GatewayMetrics, LOGGER],
      useFactory: (...[journal, redis, shipper, metrics, logger]: SettlerTuple) => {
        const onFinished = (event: RequestCompleted) => {
          metrics.finished(event);
          logCall(logger, event);
        };
        return new CallSettler({ journal, redis, shipper, onFinished });
      },
    },
    {
      provide: SettleAcks,
      inject: [AdmissionClient, Journal, RedisWrites, Shipper, LOGGER],
      useFactory: (admission: AdmissionClient, journal: Journal, redis: RedisWrites, shipper: Shipper, logger: Logger) =>
        new SettleAcks({
          admission,
          journal,
          redis,
          shipper,
          onProblem: (err) => logger.warn({ err }, 'a settle-ack could not be applied; it will come again'),
        }),
    },
  ],
  exports: [RedisWrites, Shipper, CallSettler, SettleAcks],
})
export class SettlementModule {}
