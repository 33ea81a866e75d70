import { DIMENSIONS, type Usage } from '@tensorloop/contracts/usage';
import type { NanoUsd } from '@tensorloop/kernel/money';
import type { PricedCall } from '../usage/usage.types.js';

const HOUR_MS = 60 * 60 * 1000;

/** What the calls of one batch add to one hour of one key and model. */
export interface RollupAddition {
  accountId: string;
  /** Unix milliseconds, full hour in UTC, by the admission clock: the hours of a day sum to its billing day. */
  hourMs: number;
  keyId: string;
  model: string;
  requests: number;
  inputTokens: number;
  outputTokens: number;
  chargeNanoUsd: NanoUsd;
}

/** Sums calls per (account, hour, key, model), sorted by it: replicas lock the rows in one order. */
export function toRollupAdditions(calls: readonly PricedCall[]): RollupAddition[] {
  const byRow = new Map<string, RollupAddition>();
  for (const { event, chargeNanoUsd, corrects } of calls) {
    const hourMs = event.admittedAtMs - (event.admittedAtMs % HOUR_MS);
    const row = `${event.accountId} ${String(hourMs).padStart(16, '0')} ${event.keyId} ${event.model}`;
    let addition = byRow.get(row);
    if (addition === undefined) {
      const { accountId, keyId, model } = event;
      addition = { accountId, hourMs, keyId, model, requests: 0, inputTokens: 0, outputTokens: 0, chargeNanoUsd: 0n };
      byRow.set(row, addition);
    }
    addition.requests += corrects === undefined ? 1 : 0;
    addition.inputTokens += tokensOf(event.usage, 'input');
    addition.outputTokens += tokensOf(event.usage, 'output');
    addition.chargeNanoUsd += chargeNanoUsd;
  }
  return [...byRow].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, addition]) => addition);
}

/** Tokens of one side: every dimension is named after the side it belongs to. */
export function tokensOf(usage: Usage, side: 'input' | 'output'): number {
  return DIMENSIONS.reduce((sum, dimension) => (dimension.startsWith(side) ? sum + (usage[dimension] ?? 0) : sum), 0);
}
