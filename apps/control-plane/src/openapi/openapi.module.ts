import { Module } from '@nestjs/common';
import { OpenApiController } from './openapi.controller.js';
import { OpenApiService } from './openapi.service.js';
import { ProblemPagesService } from './problem-pages.service.js';

@Module({ controllers: [OpenApiController], providers: [OpenApiService, ProblemPagesService] })
export class OpenApiModule {}
