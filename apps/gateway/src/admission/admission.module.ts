import { Module } from '@nestjs/common';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { RecentAdmissions } from '@tensorloop/admission/recent-admissions';
import { RpcClient } from '@tensorloop/nest-kit/rpc';
import { KeyHasher } from '../auth/key-hasher.service.js';
import { CONFIG, type Config } from '../config.js';
import { JournalModule } from '../journal/journal.module.js';
import { JournalHome } from '../journal/journal-home.service.js';
import { MessagingModule } from '../messaging/messaging.module.js';
import { EpochRecovery } from '../recovery/epoch-recovery.service.js';
import { RecoveryModule } from '../recovery/recovery.module.js';
import { RedisWrites } from '../settlement/redis-writes.service.js';
import { SettlementModule } from '../settlement/settlement.module.js';
import { AdmissionGate } from './admission-gate.service.js';
import { AdmissionStateModule } from './admission-state.module.js';
import { InFlight } from './in-flight.service.js';
import { KeyLookup } from './key-lookup.js';
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
];

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
      ],
      useFactory: (...[home, admission, keys, totals, epochs, writes, inFlight, recent, clock]: GateTuple) =>
        new AdmissionGate({ gatewayId: home.gatewayId, admission, keys, totals, epochs, writes, inFlight, recent, clock }),
    },
  ],
  exports: [AdmissionGate, KeyHasher],
})
export class AdmissionModule {}
