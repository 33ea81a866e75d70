import { Module } from '@nestjs/common';
import { PartitionsJobs } from './partitions.jobs.js';
import { PartitionsRepository } from './partitions.repository.js';
import { PartitionsService } from './partitions.service.js';

@Module({ providers: [PartitionsService, PartitionsRepository, PartitionsJobs], exports: [PartitionsService] })
export class PartitionsModule {}
