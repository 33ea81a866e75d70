import { Module } from '@nestjs/common';
import { CataloguePublisher } from './catalogue.publisher.js';
import { CatalogueFile } from './catalogue-file.service.js';
import { ModelsRepository } from './models.repository.js';
import { ModelsService } from './models.service.js';

@Module({ providers: [CatalogueFile, ModelsService, ModelsRepository, CataloguePublisher], exports: [ModelsService] })
export class ModelsModule {}
