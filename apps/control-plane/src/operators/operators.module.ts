import { Module } from '@nestjs/common';
import { ProjectionModule } from '../projection/projection.module.js';
import { AccountUsageClient } from './account-usage.client.js';
import { ErasuresController } from './erasures.controller.js';
import { ErasuresRepository } from './erasures.repository.js';
import { GatewaysClient } from './gateways.client.js';
import { InstallationController } from './installation.controller.js';
import { InstallationService } from './installation.service.js';
import { OperatorsController } from './operators.controller.js';
import { OperatorsRepository } from './operators.repository.js';
import { OperatorsService } from './operators.service.js';

@Module({
  imports: [ProjectionModule],
  controllers: [OperatorsController, InstallationController, ErasuresController],
  providers: [
    OperatorsService,
    InstallationService,
    OperatorsRepository,
    ErasuresRepository,
    AccountUsageClient,
    GatewaysClient,
  ],
})
export class OperatorsModule {}
