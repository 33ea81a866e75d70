import { Module } from '@nestjs/common';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { RecentAdmissions } from '@tensorloop/admission/recent-admissions';
import { NatsLink } from '@tensorloop/messaging/connection';
import { CLOCK, type Clock } from '@tensorloop/nest-kit/clock';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import { RpcClient } from '@tensorloop/nest-kit/rpc';
import type { Logger } from '@tensorloop/observability/logger';
import { Redis } from 'ioredis';
import { AccountRestoring } from '../admission/account-restoring.service.js';
import { AdmissionModule } from '../admission/admission.module.js';
import { AdmissionStateModule } from '../admission/admission-state.module.js';
import { RedisClock } from '../admission/redis-clock.service.js';
import { DiskGuard } from '../journal/disk-guard.service.js';
import { JournalModule } from '../journal/journal.module.js';
import { Journal } from '../journal/journal.service.js';
import { JournalHome } from '../journal/journal-home.service.js';
import { MessagingModule } from '../messaging/messaging.module.js';
import { NatsWiring } from '../messaging/nats-wiring.service.js';
import { ModelStore } from '../models/model-store.service.js';
import { ModelsModule } from '../models/models.module.js';
import { CallDrain } from '../proxy/call-drain.service.js';
import { Capacity } from '../proxy/capacity.service.js';
import { OpenCalls } from '../proxy/open-calls.service.js';
import { ProxyModule } from '../proxy/proxy.module.js';
import { Specimens } from '../proxy/specimens.service.js';
import { Ticker } from '../proxy/ticker.service.js';
import { BootRecovery } from '../recovery/boot-recovery.service.js';
import { EpochRecovery } from '../recovery/epoch-recovery.service.js';
import { NatsRegistry } from '../recovery/nats-registry.service.js';
import { OwnerlessHolds } from '../recovery/ownerless-holds.service.js';
import { Reassertions } from '../recovery/reassertions.service.js';
import { RecoveryModule } from '../recovery/recovery.module.js';
import { RedisWrites } from '../settlement/redis-writes.service.js';
import { SettleAcks } from '../settlement/settle-acks.service.js';
import { SettlementModule } from '../settlement/settlement.module.js';
import { Shipper } from '../settlement/shipper.service.js';
import { ProviderUpstream } from '../upstreams/provider-upstream.service.js';
import { UpstreamsModule } from '../upstreams/upstreams.module.js';
import { TokenEstimator } from '../usage/token-estimator.service.js';
import { GatewayLifetime } from './gateway-lifetime.js';
import { Standstill } from './standstill.js';
import { TakenId } from './taken-id.js';

type WiringTuple = [
  JournalHome,
  NatsLink,
  ModelStore,
  Shipper,
  SettleAcks,
  EpochRecovery,
  Reassertions,
  NatsRegistry,
  TakenId,
  Clock,
  Logger,
];
type RecoveryTuple = [Reassertions, AccountRestoring, OwnerlessHolds, AdmissionClient, TakenId];
type StateTuple = [JournalHome, Journal, DiskGuard, Capacity, BootRecovery, NatsWiring, NatsLink, RpcClient];
type ServingTuple = [
  Redis,
  RecentAdmissions,
  RedisClock,
  RedisWrites,
  Shipper,
  CallDrain,
  Standstill,
  Ticker,
  Specimens,
  ProviderUpstream,
  TokenEstimator,
];

type LifetimeTuple = [...StateTuple, ...RecoveryTuple, ...ServingTuple];

@Module({
  imports: [
    JournalModule,
    AdmissionStateModule,
    AdmissionModule,
    MessagingModule,
    ModelsModule,
    SettlementModule,
    RecoveryModule,
    ProxyModule,
    UpstreamsModule,
  ],
  providers: [
    { provide: TakenId, inject: [LOGGER], useFactory: (logger: Logger) => new TakenId(logger) },
    {
      provide: NatsWiring,
      inject: [
        JournalHome,
        NatsLink,
        ModelStore,
        Shipper,
        SettleAcks,
        EpochRecovery,
        Reassertions,
        NatsRegistry,
        TakenId,
        CLOCK,
        LOGGER,
      ],
      useFactory: (
        ...[home, link, models, shipper, acks, epochs, reassertions, registry, takenId, clock, logger]: WiringTuple
      ) => {
        const { gatewayId, journalId } = home;
        const onTaken = takenId.onTaken;
        const parts = { link, models, shipper, acks, epochs, reassertions, registry, clock, logger };
        return new NatsWiring({ gatewayId, journalId, onTaken, ...parts });
      },
    },
    {
      provide: Standstill,
      inject: [OpenCalls, LOGGER],
      useFactory: (openCalls: OpenCalls, logger: Logger) => {
        const onFenced = (stoodMs: number, calls: number) =>
          logger.error(
            { stoodMs, calls },
            'this gateway stood still for longer than others wait for it; its open calls were ended',
          );
        return new Standstill({ openCalls, onFenced });
      },
    },
    {
      provide: GatewayLifetime,
      inject: [
        JournalHome,
        Journal,
        DiskGuard,
        Capacity,
        BootRecovery,
        NatsWiring,
        NatsLink,
        RpcClient,
        Reassertions,
        AccountRestoring,
        OwnerlessHolds,
        AdmissionClient,
        TakenId,
        Redis,
        RecentAdmissions,
        RedisClock,
        RedisWrites,
        Shipper,
        CallDrain,
        Standstill,
        Ticker,
        Specimens,
        ProviderUpstream,
        TokenEstimator,
      ],
      useFactory: (...[home, journal, disk, capacity, boot, nats, link, rpc, ...rest]: LifetimeTuple) => {
        const [reassertions, restoring, ownerless, admission, takenId, ...serving] = rest;
        const [redis, recent, clock, writes, shipper, drain, standstill, ticker, specimens, upstream, estimator] = serving;
        return new GatewayLifetime({
          home,
          journal,
          disk,
          capacity,
          boot,
          nats,
          link,
          rpc,
          reassertions,
          restoring,
          ownerless,
          admission,
          taken: takenId.taken,
          endProcess: () => takenId.endProcess(),
          redis,
          recent,
          clock,
          writes,
          shipper,
          drain,
          standstill,
          ticker,
          specimens,
          upstream,
          estimator,
        });
      },
    },
  ],
})
export class LifetimeModule {}
