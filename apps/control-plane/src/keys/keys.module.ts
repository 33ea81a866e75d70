import { Module } from '@nestjs/common';
import { ModelsModule } from '../models/models.module.js';
import { ProjectionModule } from '../projection/projection.module.js';
import { UsageModule } from '../usage/usage.module.js';
import { KeysController } from './keys.controller.js';
import { KeysRepository } from './keys.repository.js';
import { KeysService } from './keys.service.js';
import { MintingService } from './minting.service.js';

@Module({
  imports: [ModelsModule, ProjectionModule, UsageModule],
  controllers: [KeysController],
  providers: [KeysService, MintingService, KeysRepository],
})
export class KeysModule {}
