import { type MiddlewareConsumer, Module, type NestModule, RequestMethod } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccountsModule } from '../accounts/accounts.module.js';
import { CookiesModule } from '../cookies/cookies.module.js';
import { MailModule } from '../mail/mail.module.js';
import { OperatorAccessModule } from '../operators/operator-access.module.js';
import { SealingModule } from '../sealing/sealing.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { ThrottleModule } from '../throttle/throttle.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { UsersModule } from '../users/users.module.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { AuthMailService } from './auth-mail.service.js';
import { BrowserSession } from './browser-session.js';
import { CodeController } from './code.controller.js';
import { CodeService } from './code.service.js';
import { CodeSignInService } from './code-sign-in.service.js';
import { CredentialVolume } from './credential-volume.middleware.js';
import { EmailController } from './email.controller.js';
import { EmailService } from './email.service.js';
import { MailTokensRepository } from './mail-tokens.repository.js';
import { MailTokensService } from './mail-tokens.service.js';
import { PasswordController } from './password.controller.js';
import { PasswordService } from './password.service.js';
import { PasswordChecks } from './password-checks.js';
import { PasswordHasher } from './password-hasher.js';
import { PasswordPolicy } from './password-policy.js';
import { SessionGuard } from './session.guard.js';

@Module({
  imports: [
    AccountsModule,
    CookiesModule,
    MailModule,
    OperatorAccessModule,
    SealingModule,
    SessionsModule,
    ThrottleModule,
    TokensModule,
    UsersModule,
  ],
  controllers: [AuthController, EmailController, PasswordController, CodeController],
  providers: [
    AuthService,
    AuthMailService,
    BrowserSession,
    CodeService,
    CodeSignInService,
    EmailService,
    MailTokensRepository,
    MailTokensService,
    PasswordService,
    PasswordChecks,
    PasswordHasher,
    PasswordPolicy,
    { provide: APP_GUARD, useClass: SessionGuard },
  ],
})
export class AuthModule implements NestModule {
  /** Every way in, those that other folders add too. What there is to choose from is no credential. */
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(CredentialVolume).exclude({ path: 'api/auth/methods', method: RequestMethod.GET }).forRoutes(
      { path: 'api/auth/*path', method: RequestMethod.ALL },
      // Both take a token of a mail, the first from anybody.
      { path: 'api/invites/look-up', method: RequestMethod.POST },
      { path: 'api/invites/accept', method: RequestMethod.POST },
    );
  }
}
