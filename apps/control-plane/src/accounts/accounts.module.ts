import { Module } from '@nestjs/common';
import { ProjectionModule } from '../projection/projection.module.js';
import { AccountsController } from './accounts.controller.js';
import { AccountsRepository } from './accounts.repository.js';
import { AccountsService } from './accounts.service.js';
import { ErasureRepository } from './erasure.repository.js';
import { ErasureService } from './erasure.service.js';

@Module({
  imports: [ProjectionModule],
  controllers: [AccountsController],
  providers: [AccountsService, AccountsRepository, ErasureService, ErasureRepository],
  exports: [AccountsService],
})
export class AccountsModule {}
