import { Module } from '@nestjs/common';
import { RpcResponder } from '@tensorloop/nest-kit/rpc-responder';
import { TotalsController } from './totals.controller.js';
import { TotalsRepository } from './totals.repository.js';
import { TotalsService } from './totals.service.js';

@Module({
  controllers: [TotalsController],
  providers: [TotalsService, TotalsRepository, RpcResponder],
  exports: [TotalsService],
})
export class TotalsModule {}
