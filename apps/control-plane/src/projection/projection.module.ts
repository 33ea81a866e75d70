import { Module } from '@nestjs/common';
import { RpcResponder } from '@tensorloop/nest-kit/rpc-responder';
import { RedisModule } from '../redis/redis.module.js';
import { ProjectionConsumer } from './projection.consumer.js';
import { ProjectionRelay } from './projection.relay.js';
import { ProjectionRepository } from './projection.repository.js';
import { ProjectionService } from './projection.service.js';

@Module({
  imports: [RedisModule],
  controllers: [ProjectionConsumer],
  providers: [ProjectionService, ProjectionRepository, ProjectionRelay, RpcResponder],
  exports: [ProjectionService],
})
export class ProjectionModule {}
