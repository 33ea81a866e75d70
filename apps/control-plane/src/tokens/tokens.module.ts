import { Module } from '@nestjs/common';
import { TokenAccessService } from './token-access.service.js';
import { TokensController } from './tokens.controller.js';
import { TokensRepository } from './tokens.repository.js';
import { TokensService } from './tokens.service.js';

@Module({
  controllers: [TokensController],
  providers: [TokensService, TokensRepository, TokenAccessService],
  exports: [TokenAccessService],
})
export class TokensModule {}
