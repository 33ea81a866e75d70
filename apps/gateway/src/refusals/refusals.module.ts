import { Module } from '@nestjs/common';
import { REQUEST_REFUSED_SUBJECT } from '@tensorloop/contracts/subjects';
import { NatsLink } from '@tensorloop/messaging/connection';
import { CLOCK, type Clock } from '@tensorloop/nest-kit/clock';
import { Metrics } from '@tensorloop/observability/metrics';
import { JournalModule } from '../journal/journal.module.js';
import { JournalHome } from '../journal/journal-home.service.js';
import { MessagingModule } from '../messaging/messaging.module.js';
import { RefusalEvents } from './refusal-events.service.js';

@Module({
  imports: [JournalModule, MessagingModule],
  providers: [
    {
      provide: RefusalEvents,
      inject: [JournalHome, NatsLink, Metrics, CLOCK],
      useFactory: (...[home, link, metrics, clock]: [JournalHome, NatsLink, Metrics, Clock]) => {
        const dropped = metrics.counter({
          name: 'tensorloop_gateway_refusals_untold_total',
          help: 'Refused calls of known keys that the activity will not show.',
        });
        return new RefusalEvents({
          gatewayId: home.gatewayId,
          nowMs: clock,
          tell: (refused) => {
            // A client that is reconnecting would gather messages without a bound.
            if (!link.isConnected || link.current === null) return false;
            link.current.publish(REQUEST_REFUSED_SUBJECT, JSON.stringify(refused));
            return true;
          },
          onDropped: (count) => dropped.inc({}, count),
        });
      },
    },
  ],
  exports: [RefusalEvents],
})
export class RefusalsModule {}
