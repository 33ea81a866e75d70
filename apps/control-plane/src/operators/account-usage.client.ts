import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { OperatorAccountDetail } from '@tensorloop/contracts/api/operator';
import { usageSummaryGetReplySchema, usageSummaryGetRequestSchema } from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';
import { formatUsd } from '@tensorloop/kernel/money';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import { defineRpc, RpcClient } from '@tensorloop/nest-kit/rpc';
import type { Logger } from '@tensorloop/observability/logger';
import { CONFIG, type Config } from '../config.js';

const DAYS = 30;
const usageSummaryGet = defineRpc(RPC.meteringUsageSummaryGet, usageSummaryGetRequestSchema, usageSummaryGetReplySchema);

/** What an account used, as metering has it. Connects when first asked. */
@Injectable()
export class AccountUsageClient implements OnApplicationShutdown {
  private readonly rpc: RpcClient;

  constructor(
    @Inject(CONFIG) config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.rpc = new RpcClient({ url: config.NATS_URL, name: 'control-plane operators' });
  }

  /** Over the last 30 UTC days, today included. Null when metering does not answer. */
  async getHeadline(accountId: string, nowMs: number): Promise<OperatorAccountDetail['usage']> {
    const days = { fromDay: utcDay(nowMs - (DAYS - 1) * DAY_MS), toDay: utcDay(nowMs) };
    const reply = await this.rpc.call(usageSummaryGet, { accountId, ...days });
    if (!reply.ok) {
      this.logger.warn({ code: reply.code, detail: reply.message }, 'metering did not answer');
      return null;
    }
    const { total, dataThroughMs } = reply;
    return {
      requests: total.requests,
      costUsd: formatUsd(BigInt(total.chargeNanoUsd)),
      costNanoUsd: total.chargeNanoUsd,
      dataThrough: new Date(dataThroughMs).toISOString(),
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.rpc.close();
  }
}
