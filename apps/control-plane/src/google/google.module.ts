import { Module } from '@nestjs/common';
import { CONFIG, type Config } from '../config.js';
import { CookiesModule } from '../cookies/cookies.module.js';
import { MailModule } from '../mail/mail.module.js';
import { SealingModule } from '../sealing/sealing.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersModule } from '../users/users.module.js';
import { GoogleController } from './google.controller.js';
import { GOOGLE_CLIENT, GoogleService } from './google.service.js';
import { GoogleClient } from './google-client.js';
import { TransactionCookie } from './transaction-cookie.js';
import { UnlinkingController } from './unlinking.controller.js';
import { UnlinkingRepository } from './unlinking.repository.js';
import { UnlinkingService } from './unlinking.service.js';

@Module({
  imports: [CookiesModule, MailModule, SealingModule, SessionsModule, UsersModule],
  controllers: [GoogleController, UnlinkingController],
  providers: [
    GoogleService,
    UnlinkingService,
    UnlinkingRepository,
    TransactionCookie,
    { provide: GOOGLE_CLIENT, inject: [CONFIG], useFactory: makeClient },
  ],
})
export class GoogleModule {}

/** Nothing is asked of Google before somebody signs in: the service starts without a network. */
function makeClient(config: Config): GoogleClient | null {
  if (config.GOOGLE_CLIENT_ID === undefined || config.GOOGLE_CLIENT_SECRET === undefined) return null;
  return new GoogleClient({
    clientID: config.GOOGLE_CLIENT_ID,
    clientSecret: config.GOOGLE_CLIENT_SECRET,
    callbackURL: `${config.PUBLIC_URL}/api/auth/google/callback`,
    authorizationURL: config.GOOGLE_AUTHORIZATION_URL,
    tokenURL: config.GOOGLE_TOKEN_URL,
    userProfileURL: config.GOOGLE_USERINFO_URL,
  });
}
