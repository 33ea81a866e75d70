import { Global, Module } from '@nestjs/common';
import { AuditController } from './audit.controller.js';
import { AuditRepository } from './audit.repository.js';
import { AuditService } from './audit.service.js';
import { AuditTrail } from './audit.trail.js';

/** Global: whatever writes, tells. */
@Global()
@Module({ controllers: [AuditController], providers: [AuditTrail, AuditService, AuditRepository], exports: [AuditTrail] })
export class AuditModule {}
