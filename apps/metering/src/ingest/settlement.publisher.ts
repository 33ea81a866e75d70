import type { NatsConnection } from '@nats-io/transport-node';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { NatsLink, RECONNECT_WAIT_MS_MAX } from '@tensorloop/messaging/connection';
import { publishSettled } from '@tensorloop/messaging/settled';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { CONFIG, type Config } from '../config.js';
import type { Settlement } from './settlement.rules.js';
import { SettlementMemory } from './settlement-memory.js';

/** After this, gateways that lost the same server are back as well. */
export const RESEND_DELAY_MS = 2 * RECONNECT_WAIT_MS_MAX;

/** Tells gateways which of their calls are dealt with. */
@Injectable()
export class SettlementPublisher implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly memory = new SettlementMemory();
  private readonly returned = new Set<string>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(NatsLink) private readonly link: NatsLink,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onApplicationBootstrap(): void {
    this.link.ready.then(
      (connection) => this.resendAfterReconnects(connection),
      () => {},
    );
  }

  onModuleDestroy(): void {
    clearTimeout(this.timer);
  }

  /** After COMMIT only. Throws when the connection is closed; what was not sent is settled again on redelivery. */
  publish(settlements: readonly Settlement[]): void {
    // Redis would let go of what a call costs and keep a total of before the restore, which lacks it. Gateways ask again.
    if (this.config.REPLAYING === 'true') return;
    for (const settlement of settlements) {
      this.memory.remember(settlement);
      this.send(settlement);
    }
  }

  /** Sends what these gateways were told last once more, a moment later. */
  resend(gatewayIds: readonly string[]): void {
    for (const gatewayId of gatewayIds) this.returned.add(gatewayId);
    if (this.returned.size > 0) this.timer ??= setTimeout(() => this.resendNow(), RESEND_DELAY_MS);
  }

  private send({ gatewayId, settled }: Settlement): void {
    const connection = this.link.current;
    if (connection === null) throw new Error('settle-acks need a connection to NATS');
    publishSettled(connection, gatewayId, settled);
  }

  private async resendAfterReconnects(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'reconnect') this.resend(this.memory.list().map((settlement) => settlement.gatewayId));
    }
    clearTimeout(this.timer);
  }

  private resendNow(): void {
    this.timer = undefined;
    const settlements = this.memory.list().filter((settlement) => this.returned.has(settlement.gatewayId));
    this.returned.clear();
    // Whoever is cut off again gets them at the next reconnect.
    if (!this.link.isConnected || settlements.length === 0) return;
    for (const settlement of settlements) this.send(settlement);
    this.logger.info({ settlements: settlements.length }, 'sent settle-acks again');
  }
}
