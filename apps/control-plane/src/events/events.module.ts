import { Global, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { CookiesModule } from '../cookies/cookies.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { ChangesInterceptor } from './changes.interceptor.js';
import { EventsController } from './events.controller.js';
import { LiveEvents } from './live-events.service.js';
import { StreamAccessService } from './stream-access.service.js';

/** Global: whatever changes an account says so by `LiveEvents.publish`. */
@Global()
@Module({
  imports: [CookiesModule, SessionsModule, TokensModule],
  controllers: [EventsController],
  providers: [LiveEvents, StreamAccessService, { provide: APP_INTERCEPTOR, useClass: ChangesInterceptor }],
  exports: [LiveEvents],
})
export class EventsModule {}
