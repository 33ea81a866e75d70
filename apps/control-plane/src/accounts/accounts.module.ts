import { Module } from '@nestjs/common';
import { CookiesModule } from '../cookies/cookies.module.js';
import { ProjectionModule } from '../projection/projection.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersModule } from '../users/users.module.js';
import { AccountExportController } from './account-export.controller.js';
import { AccountExportRepository } from './account-export.repository.js';
import { AccountExportService } from './account-export.service.js';
import { AccountSwitchController } from './account-switch.controller.js';
import { AccountSwitchService } from './account-switch.service.js';
import { AccountsController } from './accounts.controller.js';
import { AccountsRepository } from './accounts.repository.js';
import { AccountsService } from './accounts.service.js';
import { ErasureRepository } from './erasure.repository.js';
import { ErasureService } from './erasure.service.js';

@Module({
  imports: [CookiesModule, ProjectionModule, SessionsModule, UsersModule],
  controllers: [AccountsController, AccountSwitchController, AccountExportController],
  providers: [
    AccountsService,
    AccountSwitchService,
    AccountExportService,
    AccountExportRepository,
    AccountsRepository,
    ErasureService,
    ErasureRepository,
  ],
  exports: [AccountsService, AccountSwitchService],
})
export class AccountsModule {}
