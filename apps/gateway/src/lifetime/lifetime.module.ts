import { Module } from '@nestjs/common';
import { RecentAdmissions } from '@tensorloop/admission/recent-admissions';
import { NatsLink } from '@tensorloop/messaging/connection';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import { RpcClient } from '@tensorloop/nest-kit/rpc';
import type { Logger } from '@tensorloop/observability/logger';
import { Redis } from 'ioredis';
import { AdmissionStateModule } from '../admission/admission-state.module.js';
import { RedisClock } from '../admission/redis-clock.js';
import { DiskGuard } from '../journal/disk-guard.js';
import { Journal } from '../journal/journal.js';
import { JournalModule } from '../journal/journal.module.js';
import { JournalHome } from '../journal/journal-home.js';
import { MessagingModule } from '../messaging/messaging.module.js';
import { NatsWiring } from '../messaging/nats-wiring.js';
import { ModelStore } from '../models/model-store.js';
import { ModelsModule } from '../models/models.module.js';
import { CallDrain } from '../proxy/call-drain.js';
import { Capacity } from '../proxy/capacity.js';
import { ProxyModule } from '../proxy/proxy.module.js';
import { Ticker } from '../proxy/ticker.js';
import { BootRecovery } from '../recovery/boot-recovery.js';
import { EpochRecovery } from '../recovery/epoch-recovery.js';
import { RecoveryModule } from '../recovery/recovery.module.js';
import { RedisWrites } from '../settlement/redis-writes.js';
import { SettleAcks } from '../settlement/settle-acks.js';
import { SettlementModule } from '../settlement/settlement.module.js';
import { Shipper } from '../settlement/shipper.js';
import { OpenAiUpstream } from '../upstreams/openai/openai-upstream.js';
import { TokenEstimator } from '../usage/token-estimator.js';
import { GatewayLifetime } from './gateway-lifetime.js';

type WiringTuple = [JournalHome, NatsLink, ModelStore, Shipper, SettleAcks, EpochRecovery, Logger];
type StateTuple = [JournalHome, Journal, DiskGuard, Capacity, BootRecovery, NatsWiring, NatsLink, RpcClient];
type ServingTuple = [
  Redis,
  RecentAdmissions,
  RedisClock,
  RedisWrites,
  Shipper,
  CallDrain,
  Ticker,
  OpenAiUpstream,
  TokenEstimator,
];

@Module({
  imports: [JournalModule, AdmissionStateModule, MessagingModule, ModelsModule, SettlementModule, RecoveryModule, ProxyModule],
  providers: [
    {
      provide: NatsWiring,
      inject: [JournalHome, NatsLink, ModelStore, Shipper, SettleAcks, EpochRecovery, LOGGER],
      useFactory: (...[home, link, models, shipper, acks, epochs, logger]: WiringTuple) =>
        new NatsWiring({ gatewayId: home.gatewayId, link, models, shipper, acks, epochs, logger }),
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
        Redis,
        RecentAdmissions,
        RedisClock,
        RedisWrites,
        Shipper,
        CallDrain,
        Ticker,
        OpenAiUpstream,
        TokenEstimator,
      ],
      useFactory: (...[home, journal, disk, capacity, boot, nats, link, rpc, ...serving]: [...StateTuple, ...ServingTuple]) => {
        const [redis, recent, clock, writes, shipper, drain, ticker, upstream, estimator] = serving;
        return new GatewayLifetime({
          home,
          journal,
          disk,
          capacity,
          boot,
          nats,
          link,
          rpc,
          redis,
          recent,
          clock,
          writes,
          shipper,
          drain,
          ticker,
          upstream,
          estimator,
        });
      },
    },
  ],
})
export class LifetimeModule {}
