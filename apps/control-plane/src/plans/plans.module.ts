import { Module } from '@nestjs/common';
import { ModelsModule } from '../models/models.module.js';
import { ProjectionModule } from '../projection/projection.module.js';
import { PlansController } from './plans.controller.js';
import { PlansRepository } from './plans.repository.js';
import { PlansService } from './plans.service.js';

@Module({
  imports: [ModelsModule, ProjectionModule],
  controllers: [PlansController],
  providers: [PlansService, PlansRepository],
})
export class PlansModule {}
