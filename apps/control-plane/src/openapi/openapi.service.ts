import { Inject, Injectable } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import { walkModules } from '@tensorloop/nest-kit/routes';
import { CONFIG, type Config } from '../config.js';
import { describeApi } from './openapi.document.js';

/** What this very process serves, so that what is read and what is called cannot differ. */
@Injectable()
export class OpenApiService {
  private document: OpenApiDocument | undefined;

  constructor(
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  get(): OpenApiDocument {
    this.document ??= describeApi(walkModules(this.modules), this.config.PUBLIC_URL);
    return this.document;
  }
}
