import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { NatsLink } from '@tensorloop/messaging/connection';
import { listLiveGateways } from '@tensorloop/messaging/heartbeats';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { SettlementPublisher } from './settlement.publisher.js';

/** A gateway that comes back hears about its calls within about this time. */
export const GATEWAYS_POLL_INTERVAL_MS = 2_000;

/** Notices gateways that have started again: what they were told while they were away has to be said once more. */
@Injectable()
export class GatewayWatcher implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  /** Start of each live gateway, as of the last look. */
  private starts = new Map<string, number>();
  private isLooking = false;

  constructor(
    private readonly settlements: SettlementPublisher,
    @Inject(NatsLink) private readonly link: NatsLink,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.look(), GATEWAYS_POLL_INTERVAL_MS);
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    const connection = this.link.current;
    if (connection === null || !this.link.isConnected || this.isLooking) return;
    this.isLooking = true;
    try {
      const gateways = await listLiveGateways(connection);
      const returned = gateways.filter((gateway) => this.starts.get(gateway.gatewayId) !== gateway.startedAtMs);
      this.starts = new Map(gateways.map((gateway) => [gateway.gatewayId, gateway.startedAtMs]));
      this.settlements.resend(returned.map((gateway) => gateway.gatewayId));
    } catch (err) {
      this.logger.warn({ err }, 'the live gateways could not be listed');
    } finally {
      this.isLooking = false;
    }
  }
}
