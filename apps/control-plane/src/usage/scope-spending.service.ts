import { Inject, Injectable } from '@nestjs/common';
import type { ScopeUse } from '@tensorloop/admission/scope-use';
import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { NanoUsd } from '@tensorloop/kernel/money';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { KeyUsageRepository } from './key-usage.repository.js';
import { MeteringClient } from './metering.client.js';

/** Scopes of one answer: as many as metering takes in one question. */
export const SCOPES_MAX = 100;

/** What a scope has come to. */
export interface Spending {
  /** Of calls that have ended, booked or not. */
  spentNanoUsd: NanoUsd;
  /** Of calls in flight. */
  heldNanoUsd: NanoUsd;
}

@Injectable()
export class ScopeSpendingService {
  constructor(
    @Inject(KeyUsageRepository) private readonly repository: KeyUsageRepository,
    @Inject(MeteringClient) private readonly metering: MeteringClient,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * In the order of the scopes. What Redis holds is what admission goes by, so it is believed; a total that it was not told is
   * metering's to say. Null where neither says at the moment: nothing is made up, and nothing fails for it.
   */
  async list(accountId: string, scopes: readonly Scope[]): Promise<(Spending | null)[]> {
    if (scopes.length > SCOPES_MAX) throw new Error(`at most ${SCOPES_MAX} scopes at once, not ${scopes.length}`);
    const uses = await this.listUses(accountId, scopes);
    if (uses === null) return scopes.map(() => null);
    const unknown = scopes.filter((_, at) => uses[at]?.totalNanoUsd === null);
    const booked = unknown.length === 0 ? new Map<Scope, NanoUsd>() : await this.listBooked(accountId, unknown);
    return scopes.map((scope, at) => {
      const { totalNanoUsd, settledNanoUsd, heldNanoUsd } = uses[at] as ScopeUse;
      const total = totalNanoUsd ?? booked.get(scope);
      return total === undefined ? null : { spentNanoUsd: total + settledNanoUsd, heldNanoUsd };
    });
  }

  private async listUses(accountId: string, scopes: readonly Scope[]): Promise<ScopeUse[] | null> {
    if (scopes.length === 0) return [];
    try {
      return await this.repository.listScopeUse(accountId, scopes);
    } catch (err) {
      this.logger.warn({ err }, 'what was spent could not be read from Redis');
      return null;
    }
  }

  private async listBooked(accountId: string, scopes: Scope[]): Promise<Map<Scope, NanoUsd>> {
    const reply = await this.metering.getTotals({ accountId, scopes });
    if (reply.ok) return new Map(reply.totals.map(({ scope, totalNanoUsd }) => [scope, BigInt(totalNanoUsd)]));
    this.logger.warn({ code: reply.code, detail: reply.message }, 'metering did not answer');
    return new Map();
  }
}
