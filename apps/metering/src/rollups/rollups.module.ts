import { Module } from '@nestjs/common';
import { RollupsRepository } from './rollups.repository.js';
import { RollupsService } from './rollups.service.js';
import { TagNamesRepository } from './tag-names.repository.js';
import { TagRetentionJob } from './tag-retention.job.js';
import { TagRetentionRepository } from './tag-retention.repository.js';
import { TagRetentionService } from './tag-retention.service.js';

@Module({
  providers: [
    RollupsService,
    RollupsRepository,
    TagNamesRepository,
    TagRetentionService,
    TagRetentionRepository,
    TagRetentionJob,
  ],
  exports: [RollupsService],
})
export class RollupsModule {}
