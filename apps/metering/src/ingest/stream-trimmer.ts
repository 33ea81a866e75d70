import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { NatsLink } from '@tensorloop/messaging/connection';
import { jetstreamManager, trimRequestsStream } from '@tensorloop/messaging/streams';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';

/** At 3,000 calls per second and 1 kB each, half of the stream's size takes more than five minutes to fill. */
export const TRIM_INTERVAL_MS = 30_000;

/** Keeps room in the stream by removing calls that are booked; a full stream would refuse new ones. Racing is harmless. */
@Injectable()
export class StreamTrimmer implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(NatsLink) private readonly link: NatsLink,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.trim(), TRIM_INTERVAL_MS);
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  private async trim(): Promise<void> {
    const connection = this.link.current;
    if (connection === null || !this.link.isConnected) return;
    try {
      const removed = await trimRequestsStream(await jetstreamManager(connection));
      if (removed > 0) this.logger.info({ removed }, 'removed booked calls from the stream');
    } catch (err) {
      this.logger.warn({ err }, 'the stream could not be trimmed');
    }
  }
}
