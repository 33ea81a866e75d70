import { Inject, Injectable } from '@nestjs/common';
import type { ScopeUse } from '@tensorloop/admission/scope-use';
import { KEY_USAGE_KEYS_MAX, type KeyUsageRow } from '@tensorloop/contracts/rpc';
import { windowScope } from '@tensorloop/contracts/settle-ack';
import { budgetWindow } from '@tensorloop/kernel/budget-window';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { CLOCK, type Clock } from '../clock.js';
import { KeyUsageRepository } from './key-usage.repository.js';
import { keyMoney } from './key-usage.rules.js';
import type { BudgetedKey, KeyUsage } from './key-usage.types.js';
import { MeteringClient } from './metering.client.js';

const MINUTE_MS = 60_000;

@Injectable()
export class KeyUsageService {
  constructor(
    @Inject(KeyUsageRepository) private readonly repository: KeyUsageRepository,
    @Inject(MeteringClient) private readonly metering: MeteringClient,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * What keys of the account have spent, hold and have left now, by key id; one entry for each key asked for, at most
   * KEY_USAGE_KEYS_MAX of them. Never rejects for metering or Redis being away: what they would have said is then null.
   */
  async forKeys(accountId: string, keys: readonly BudgetedKey[]): Promise<Map<string, KeyUsage>> {
    if (keys.length > KEY_USAGE_KEYS_MAX) throw new Error(`at most ${KEY_USAGE_KEYS_MAX} keys at once, not ${keys.length}`);
    if (keys.length === 0) return new Map();
    const nowMs = this.clock();
    const windows = keys.map((key) => ({ keyId: key.id, ...budgetWindow(key.mintedAtMs, nowMs) }));
    const [uses, booked] = await Promise.all([this.listUses(accountId, windows), this.listBooked(accountId, windows)]);
    return new Map(
      keys.map((key, at) => {
        const row = booked?.rows.get(key.id);
        const money = keyMoney(key.budgetNanoUsd, uses?.[at] ?? null, row === undefined ? null : BigInt(row.spentNanoUsd));
        const resetsAtMs = windows[at]?.endMs as number;
        const lastUse = { lastUsedAtMs: row?.lastUsedAtMs ?? null, isLastUseKnown: row !== undefined };
        return [key.id, { money, resetsAtMs, ...lastUse, dataThroughMs: booked?.dataThroughMs ?? null }];
      }),
    );
  }

  private async listUses(accountId: string, windows: readonly { keyId: string; index: number }[]): Promise<ScopeUse[] | null> {
    const scopes = windows.map(({ keyId, index }) => windowScope(keyId, index));
    try {
      return await this.repository.listScopeUse(accountId, scopes);
    } catch (err) {
      this.logger.warn({ err }, 'what keys have spent could not be read from Redis');
      return null;
    }
  }

  private async listBooked(
    accountId: string,
    windows: readonly { keyId: string; index: number }[],
  ): Promise<{ rows: Map<string, KeyUsageRow>; dataThroughMs: number } | null> {
    const keys = windows.map(({ keyId, index }) => ({ keyId, windowIndex: index }));
    const reply = await this.metering.listKeyUsage({ accountId, keys });
    if (reply.ok)
      return { rows: new Map(reply.keys.map((row) => [row.keyId, row])), dataThroughMs: fullMinute(reply.dataThroughMs) };
    this.logger.warn({ code: reply.code, detail: reply.message }, 'metering did not answer');
    return null;
  }
}

/** True of the minute's beginning too, and an answer in which nothing else changed keeps its entity tag for as long. */
function fullMinute(ms: number): number {
  return ms - (ms % MINUTE_MS);
}
