import { Global, Module } from '@nestjs/common';
import { CookiesModule } from '../cookies/cookies.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { EventsController } from './events.controller.js';
import { LiveEvents } from './live-events.service.js';
import { StreamAccessService } from './stream-access.service.js';

/** Global: whatever changes an account says so by `LiveEvents.publish`. */
@Global()
@Module({
  imports: [CookiesModule, SessionsModule, TokensModule],
  controllers: [EventsController],
  providers: [LiveEvents, StreamAccessService],
  exports: [LiveEvents],
})
export class EventsModule {}
