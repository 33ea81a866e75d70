import { Module } from '@nestjs/common';
import { ModelsModule } from '../models/models.module.js';
import { ProjectionModule } from '../projection/projection.module.js';
import { KeysController } from './keys.controller.js';
import { KeysRepository } from './keys.repository.js';
import { KeysService } from './keys.service.js';

@Module({ imports: [ModelsModule, ProjectionModule], controllers: [KeysController], providers: [KeysService, KeysRepository] })
export class KeysModule {}
