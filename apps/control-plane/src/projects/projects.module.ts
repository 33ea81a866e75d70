import { Module } from '@nestjs/common';
import { ProjectionModule } from '../projection/projection.module.js';
import { UsageModule } from '../usage/usage.module.js';
import { ProjectsController } from './projects.controller.js';
import { ProjectsRepository } from './projects.repository.js';
import { ProjectsService } from './projects.service.js';

@Module({
  imports: [ProjectionModule, UsageModule],
  controllers: [ProjectsController],
  providers: [ProjectsService, ProjectsRepository],
})
export class ProjectsModule {}
