import { Module } from '@nestjs/common';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { AdmissionView } from '@tensorloop/admission/admission-view';
import { RecentAdmissions } from '@tensorloop/admission/recent-admissions';
import { NatsLink } from '@tensorloop/messaging/connection';
import { CLOCK, type Clock } from '@tensorloop/nest-kit/clock';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { Metrics } from '@tensorloop/observability/metrics';
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
import { KnownRegistry } from './known-registry.js';
import { NatsRegistry } from './nats-registry.service.js';
import { OwnerlessHolds } from './ownerless-holds.service.js';
import { Reassertions } from './reassertions.service.js';
import { SparingLog } from './sparing-log.js';

type EpochTuple = [JournalHome, AdmissionClient, Journal, InFlight, RecentAdmissions, RedisClock, NatsRegistry, Logger];
type BootTuple = [Journal, CallSettler, Shipper, RedisWrites, Clock];
type ReassertionTuple = [EpochRecovery, Journal, RedisWrites, Logger];
type OwnerlessTuple = [JournalHome, Journal, RedisWrites, AdmissionView, RedisClock, NatsRegistry, Metrics, Logger];

function createOwnerlessHolds(
  ...[home, journal, writes, view, redisClock, registry, metrics, logger]: OwnerlessTuple
): OwnerlessHolds {
  const { gatewayId } = home;
  const released = metrics.counter<'owner'>({
    name: 'tensorloop_gateway_ownerless_holds_total',
    help: 'Holds given back because nobody will settle them: our own that were never journalled, or of a gateway that is lost.',
    labels: ['owner'],
  });
  for (const owner of ['self', 'lost']) released.inc({ owner }, 0);
  return new OwnerlessHolds({
    gatewayId,
    journal,
    writes,
    view,
    listLive: () => registry.listLive(),
    redisNowMs: () => redisClock.nowMs(),
    onReleased: (hold) => {
      const owner = hold.gatewayId === gatewayId ? 'self' : 'lost';
      released.inc({ owner });
      logger.warn(
        { requestId: hold.requestId, ownerGatewayId: hold.gatewayId, amountNanoUsd: hold.amountNanoUsd.toString() },
        owner === 'self'
          ? 'a hold that is not in the journal was given back'
          : 'a hold of a gateway that is lost was given back',
      );
    },
    onProblem: (err) => logger.warn({ err }, 'the search for ownerless holds will be repeated'),
  });
}

@Module({
  imports: [JournalModule, AdmissionStateModule, SettlementModule, MessagingModule],
  providers: [
    {
      provide: NatsRegistry,
      inject: [NatsLink, JournalHome],
      useFactory: (link: NatsLink, home: JournalHome) => new NatsRegistry(link, new KnownRegistry(home.folder)),
    },
    {
      provide: EpochRecovery,
      inject: [JournalHome, AdmissionClient, Journal, InFlight, RecentAdmissions, RedisClock, NatsRegistry, LOGGER],
      useFactory: (...[home, admission, journal, inFlight, recent, clock, registry, logger]: EpochTuple) => {
        const log = new SparingLog((err, unsaid) => logger.warn({ err, unsaid }, 'an account could not be rebuilt in Redis'));
        const onProblem: EpochRecoveryParts['onProblem'] = (err) => log.note(err);
        return new EpochRecovery({
          gatewayId: home.gatewayId,
          admission,
          journal,
          inFlight,
          recent,
          clock,
          registry,
          onProblem,
        });
      },
    },
    {
      provide: BootRecovery,
      inject: [Journal, CallSettler, Shipper, RedisWrites, CLOCK],
      useFactory: (...[journal, settler, shipper, writes, clock]: BootTuple) =>
        new BootRecovery({ journal, settler, shipper, writes, clock }),
    },
    {
      provide: Reassertions,
      inject: [EpochRecovery, Journal, RedisWrites, LOGGER],
      useFactory: (...[epochs, journal, writes, logger]: ReassertionTuple) => {
        const log = new SparingLog((err, unsaid) =>
          logger.warn({ err, unsaid }, 'an account could not be re-asserted in Redis'),
        );
        const reassertions = new Reassertions({ epochs, journal, onProblem: (err) => log.note(err) });
        writes.watchMissing((accountTag, requestId) => reassertions.missing(accountTag, requestId));
        return reassertions;
      },
    },
    {
      provide: OwnerlessHolds,
      inject: [JournalHome, Journal, RedisWrites, AdmissionView, RedisClock, NatsRegistry, Metrics, LOGGER],
      useFactory: createOwnerlessHolds,
    },
  ],
  exports: [EpochRecovery, BootRecovery, Reassertions, OwnerlessHolds, NatsRegistry],
})
export class RecoveryModule {}
