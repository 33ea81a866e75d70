import { Inject, Injectable } from '@nestjs/common';
import type { Installation } from '@tensorloop/contracts/api/operator';
import { NatsLink } from '@tensorloop/messaging/connection';
import { listLiveGateways } from '@tensorloop/messaging/heartbeats';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';

const ANSWER_MS_MAX = 2_000;

/** The gateways that report themselves alive. */
@Injectable()
export class GatewaysClient {
  constructor(
    @Inject(NatsLink) private readonly link: NatsLink,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Null when NATS does not say. */
  async list(): Promise<Installation['gateways']> {
    const connection = this.link.current;
    if (connection === null || !this.link.isConnected) return null;
    try {
      const beats = await withinMs(listLiveGateways(connection), ANSWER_MS_MAX);
      return beats.map(({ gatewayId, beatAtMs }) => ({ gatewayId, lastBeatAt: new Date(beatAtMs).toISOString() }));
    } catch (err) {
      this.logger.warn({ err }, 'NATS does not say which gateways are alive');
      return null;
    }
  }
}

async function withinMs<Result>(work: Promise<Result>, milliseconds: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
