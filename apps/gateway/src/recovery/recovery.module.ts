import { Module } from '@nestjs/common';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { AdmissionView } from '@tensorloop/admission/admission-view';
import { RecentAdmissions } from '@tensorloop/admission/recent-admissions';
import { NatsLink } from '@tensorloop/messaging/connection';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { AdmissionStateModule } from '../admission/admission-state.module.js';
import { InFlight } from '../admission/in-flight.service.js';
import { RedisClock } from '../admission/redis-clock.service.js';
import { JournalModule } from '../journal/journal.module.js';
import { Journal } from '../journal/journal.service.js';
import { JournalHome } from '../journal/journal-home.service.js';
import { MessagingModule } from '../messaging/messaging.module.js';
import { CallSettler } from '../settlement/call-settler.service.js';
import { RedisWrites } from '../settlement/redis-writes.service.js';
import { SettlementModule } from '../settlement/settlement.module.js';
import { Shipper } from '../settlement/shipper.service.js';
import { BootRecovery } from './boot-recovery.service.js';
import { EpochRecovery, type EpochRecoveryParts } from './epoch-recovery.service.js';
import { NatsRegistry } from './nats-registry.js';

type EpochTuple = [JournalHome, AdmissionClient, Journal, InFlight, RecentAdmissions, RedisClock, NatsLink, Logger];
type BootTuple = [JournalHome, Journal, CallSettler, Shipper, RedisWrites, AdmissionView, Logger];

@Module({
  imports: [JournalModule, AdmissionStateModule, SettlementModule, MessagingModule],
  providers: [
    {
      provide: EpochRecovery,
      inject: [JournalHome, AdmissionClient, Journal, InFlight, RecentAdmissions, RedisClock, NatsLink, LOGGER],
      useFactory: (...[home, admission, journal, inFlight, recent, clock, link, logger]: EpochTuple) => {
        const onProblem: EpochRecoveryParts['onProblem'] = (err) =>
          logger.warn({ err }, 'an account could not be rebuilt in Redis');
        return new EpochRecovery({
          gatewayId: home.gatewayId,
          admission,
          journal,
          inFlight,
          recent,
          clock,
          registry: new NatsRegistry(link),
          onProblem,
        });
      },
    },
    {
      provide: BootRecovery,
      inject: [JournalHome, Journal, CallSettler, Shipper, RedisWrites, AdmissionView, LOGGER],
      useFactory: (...[home, journal, settler, shipper, writes, view, logger]: BootTuple) => {
        const onProblem = (err: unknown) => logger.warn({ err }, 'the search for ownerless holds will be repeated');
        return new BootRecovery({
          gatewayId: home.gatewayId,
          journal,
          settler,
          shipper,
          writes,
          view,
          bootAtMs: Date.now(),
          onProblem,
        });
      },
    },
  ],
  exports: [EpochRecovery, BootRecovery],
})
export class RecoveryModule {}
