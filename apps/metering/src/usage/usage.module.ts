import { Module } from '@nestjs/common';
import { RpcResponder } from '@tensorloop/nest-kit/rpc-responder';
import { ActivityRepository } from './activity.repository.js';
import { FreshnessService } from './freshness.service.js';
import { KeyUsageRepository } from './key-usage.repository.js';
import { SeriesRepository } from './series.repository.js';
import { SeriesService } from './series.service.js';
import { UsageController } from './usage.controller.js';
import { UsageRepository } from './usage.repository.js';
import { UsageService } from './usage.service.js';

@Module({
  controllers: [UsageController],
  providers: [
    UsageService,
    UsageRepository,
    ActivityRepository,
    SeriesService,
    SeriesRepository,
    KeyUsageRepository,
    FreshnessService,
    RpcResponder,
  ],
})
export class UsageModule {}
