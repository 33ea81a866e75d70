import { Module } from '@nestjs/common';
import { NatsLink, openNatsLink } from '@tensorloop/messaging/connection';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import { RpcClient } from '@tensorloop/nest-kit/rpc';
import type { Logger } from '@tensorloop/observability/logger';
import { CONFIG, type Config } from '../config.js';

const NAME = 'gateway';

/** NATS, which a gateway starts and serves without. */
@Module({
  providers: [
    {
      provide: NatsLink,
      inject: [CONFIG, LOGGER],
      useFactory: (config: Config, logger: Logger): NatsLink =>
        openNatsLink({ url: config.NATS_URL, name: NAME, onStatus: (event, detail) => logger.info({ event, detail }, 'nats') }),
    },
    {
      provide: RpcClient,
      inject: [CONFIG],
      useFactory: (config: Config) => new RpcClient({ url: config.NATS_URL, name: NAME }),
    },
  ],
  exports: [NatsLink, RpcClient],
})
export class MessagingModule {}
