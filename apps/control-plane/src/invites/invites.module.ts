import { Module } from '@nestjs/common';
import { AccountsModule } from '../accounts/accounts.module.js';
import { CookiesModule } from '../cookies/cookies.module.js';
import { MailModule } from '../mail/mail.module.js';
import { ThrottleModule } from '../throttle/throttle.module.js';
import { AcceptanceController } from './acceptance.controller.js';
import { AcceptanceRepository } from './acceptance.repository.js';
import { AcceptanceService } from './acceptance.service.js';
import { InviteMailService } from './invite-mail.service.js';
import { InvitesController } from './invites.controller.js';
import { InvitesRepository } from './invites.repository.js';
import { InvitesService } from './invites.service.js';

@Module({
  imports: [AccountsModule, CookiesModule, MailModule, ThrottleModule],
  controllers: [AcceptanceController, InvitesController],
  providers: [InvitesService, InvitesRepository, InviteMailService, AcceptanceService, AcceptanceRepository],
})
export class InvitesModule {}
