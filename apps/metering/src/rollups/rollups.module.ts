import { Module } from '@nestjs/common';
import { RollupsRepository } from './rollups.repository.js';
import { RollupsService } from './rollups.service.js';

@Module({ providers: [RollupsService, RollupsRepository], exports: [RollupsService] })
export class RollupsModule {}
