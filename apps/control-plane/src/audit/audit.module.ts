import { Global, Module } from '@nestjs/common';
import { AuditTrail } from './audit.trail.js';

/** Global: whatever writes, tells. */
@Global()
@Module({ providers: [AuditTrail], exports: [AuditTrail] })
export class AuditModule {}
