import { Module } from '@nestjs/common';
import { RpcResponder } from '@tensorloop/nest-kit/rpc-responder';
import { LiveModule } from '../live/live.module.js';
import { RefusalsConsumer } from './refusals.consumer.js';
import { RefusalsController } from './refusals.controller.js';
import { RefusalsRepository } from './refusals.repository.js';
import { RefusalsService } from './refusals.service.js';

/** Calls that were refused, for people to see: no part of the books. */
@Module({
  imports: [LiveModule],
  controllers: [RefusalsController],
  providers: [RefusalsRepository, RefusalsService, RefusalsConsumer, RpcResponder],
})
export class RefusalsModule {}
