import { Module } from '@nestjs/common';
import { RpcClient } from '@tensorloop/nest-kit/rpc';
import { AdmissionModule } from '../admission/admission.module.js';
import { AdmissionGate } from '../admission/admission-gate.service.js';
import { AdmissionStateModule } from '../admission/admission-state.module.js';
import { RedisClock } from '../admission/redis-clock.service.js';
import { KeyHasher } from '../auth/key-hasher.service.js';
import { JournalModule } from '../journal/journal.module.js';
import { Journal } from '../journal/journal.service.js';
import { MessagingModule } from '../messaging/messaging.module.js';
import { ProxyModule } from '../proxy/proxy.module.js';
import { RequestView } from './request-view.service.js';

@Module({
  imports: [AdmissionModule, AdmissionStateModule, JournalModule, MessagingModule, ProxyModule],
  providers: [
    {
      provide: RequestView,
      inject: [KeyHasher, AdmissionGate, Journal, RpcClient, RedisClock],
      useFactory: (hasher: KeyHasher, gate: AdmissionGate, journal: Journal, rpc: RpcClient, clock: RedisClock) =>
        new RequestView({ hasher, gate, journal, rpc, clock }),
    },
  ],
  exports: [RequestView],
})
export class RequestsModule {}
