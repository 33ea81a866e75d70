import { Module } from '@nestjs/common';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { RecentAdmissions } from '@tensorloop/admission/recent-admissions';
import { readScopeUse } from '@tensorloop/admission/scope-use';
import { NatsLink } from '@tensorloop/messaging/connection';
import { RpcClient } from '@tensorloop/nest-kit/rpc';
import { Redis } from 'ioredis';
import { KeyHasher } from '../auth/key-hasher.service.js';
import { CONFIG, type Config } from '../config.js';
import { JournalModule } from '../journal/journal.module.js';
import { JournalHome } from '../journal/journal-home.service.js';
import { MessagingModule } from '../messaging/messaging.module.js';
import { EpochRecovery } from '../recovery/epoch-recovery.service.js';
import { RecoveryModule } from '../recovery/recovery.module.js';
import { RedisWrites } from '../settlement/redis-writes.service.js';
import { SettlementModule } from '../settlement/settlement.module.js';
import { AccountRestoring } from './account-restoring.service.js';
import { AdmissionGate } from './admission-gate.service.js';
import { AdmissionStateModule } from './admission-state.module.js';
import { InFlight } from './in-flight.service.js';
import { KeyLookup } from './key-lookup.js';
import { KnownKeys } from './known-keys.js';
import { RedisClock } from './redis-clock.service.js';
import { TotalsLookup } from './totals-lookup.js';

type GateTuple = [
  JournalHome,
  AdmissionClient,
  KeyLookup,
  TotalsLookup,
  EpochRecovery,
  RedisWrites,
  InFlight,
  RecentAdmissions,
  RedisClock,
  KnownKeys,
  AccountRestoring,
  Config,
];
type RestoringTuple = [Redis, AdmissionClient, KnownKeys, KeyLookup, EpochRecovery, TotalsLookup, RedisClock, NatsLink];

@Module({
  imports: [JournalModule, AdmissionStateModule, SettlementModule, MessagingModule, RecoveryModule],
  providers: [
    {
      provide: KeyHasher,
      inject: [CONFIG],
      useFactory: ({ KEY_PEPPER, KEY_PEPPER_PREVIOUS }: Config) => new KeyHasher(KEY_PEPPER, KEY_PEPPER_PREVIOUS),
    },
    {
      provide: KeyLookup,
      inject: [RpcClient, KeyHasher],
      useFactory: (rpc: RpcClient, hasher: KeyHasher) => new KeyLookup(rpc, (keyHash) => hasher.previousHashOf(keyHash)),
    },
    {
      provide: TotalsLookup,
      inject: [RpcClient, AdmissionClient],
      useFactory: (rpc: RpcClient, admission: AdmissionClient) => new TotalsLookup(rpc, admission),
    },
    KnownKeys,
    {
      provide: AccountRestoring,
      inject: [Redis, AdmissionClient, KnownKeys, KeyLookup, EpochRecovery, TotalsLookup, RedisClock, NatsLink],
      useFactory: (...[redis, admission, known, keys, epochs, totals, clock, link]: RestoringTuple) =>
        new AccountRestoring({
          admission,
          known,
          keys,
          epochs,
          totals,
          readScopes: (accountTag, scopes) => readScopeUse(redis, accountTag, scopes),
          isNatsUp: () => link.isConnected,
          nowMs: () => clock.nowMs(),
        }),
    },
    {
      provide: AdmissionGate,
      inject: [
        JournalHome,
        AdmissionClient,
        KeyLookup,
        TotalsLookup,
        EpochRecovery,
        RedisWrites,
        InFlight,
        RecentAdmissions,
        RedisClock,
        KnownKeys,
        AccountRestoring,
        CONFIG,
      ],
      useFactory: (...[home, admission, keys, totals, epochs, writes, inFlight, recent, clock, ...rest]: GateTuple) => {
        const [known, restoring, config] = rest;
        const { gatewayId } = home;
        const shared = { gatewayId, admission, keys, totals, epochs, writes, inFlight, recent, clock, known, restoring };
        return new AdmissionGate({ ...shared, waitMs: config.LATE_MS });
      },
    },
  ],
  exports: [AdmissionGate, AccountRestoring, KeyHasher],
})
export class AdmissionModule {}
