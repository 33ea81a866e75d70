import { Module } from '@nestjs/common';
import { Redis } from 'ioredis';
import { AdmissionModule } from '../admission/admission.module.js';
import { AdmissionGate } from '../admission/admission-gate.service.js';
import { AdmissionStateModule } from '../admission/admission-state.module.js';
import { KeyHasher } from '../auth/key-hasher.service.js';
import { ProxyModule } from '../proxy/proxy.module.js';
import { KeyView } from './key-view.service.js';

@Module({
  imports: [AdmissionModule, AdmissionStateModule, ProxyModule],
  providers: [
    {
      provide: KeyView,
      inject: [KeyHasher, AdmissionGate, Redis],
      useFactory: (hasher: KeyHasher, gate: AdmissionGate, redis: Redis) => new KeyView({ hasher, gate, redis }),
    },
  ],
  exports: [KeyView],
})
export class KeysModule {}
