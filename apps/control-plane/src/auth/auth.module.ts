import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccountsModule } from '../accounts/accounts.module.js';
import { CONFIG, type Config } from '../config.js';
import { OperatorAccessModule } from '../operators/operator-access.module.js';
import { AuthController } from './auth.controller.js';
import { AuthRepository } from './auth.repository.js';
import { AuthService } from './auth.service.js';
import { PasswordHasher } from './password-hasher.js';
import { SessionGuard } from './session.guard.js';
import { SessionCookie } from './session-cookie.js';
import { SignInThrottle } from './sign-in-throttle.js';

@Module({
  imports: [AccountsModule, OperatorAccessModule],
  controllers: [AuthController],
  providers: [
    AuthService,
    AuthRepository,
    PasswordHasher,
    SignInThrottle,
    { provide: SessionCookie, inject: [CONFIG], useFactory: (config: Config) => new SessionCookie(config.PUBLIC_URL) },
    { provide: APP_GUARD, useClass: SessionGuard },
  ],
})
export class AuthModule {}
