import { Inject, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { RpcClient } from '@tensorloop/nest-kit/rpc';
import { CONFIG, type Config } from '../config.js';
import { EventsModule } from '../events/events.module.js';
import { RedisModule } from '../redis/redis.module.js';
import { ActivityController } from './activity.controller.js';
import { ActivityService } from './activity.service.js';
import { KeyUsageRepository } from './key-usage.repository.js';
import { KeyUsageService } from './key-usage.service.js';
import { MeteringClient } from './metering.client.js';
import { NamesRepository } from './names.repository.js';
import { ScopeSpendingService } from './scope-spending.service.js';
import { UsageController } from './usage.controller.js';
import { UsageService } from './usage.service.js';

@Injectable()
class RpcLifetime implements OnApplicationShutdown {
  constructor(@Inject(RpcClient) private readonly rpc: RpcClient) {}

  async onApplicationShutdown(): Promise<void> {
    await this.rpc.close();
  }
}

@Module({
  imports: [EventsModule, RedisModule],
  controllers: [UsageController, ActivityController],
  providers: [
    {
      provide: RpcClient,
      inject: [CONFIG],
      useFactory: (config: Config) => new RpcClient({ url: config.NATS_URL, name: 'control-plane' }),
    },
    MeteringClient,
    UsageService,
    ActivityService,
    KeyUsageRepository,
    KeyUsageService,
    NamesRepository,
    ScopeSpendingService,
    RpcLifetime,
  ],
  exports: [KeyUsageService, ScopeSpendingService],
})
export class UsageModule {}
