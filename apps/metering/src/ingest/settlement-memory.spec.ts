import { describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { Settlement } from './settlement.rules.js';
import { REMEMBERED_CALLS_MAX, SettlementMemory } from './settlement-memory.js';

function settlementOf(calls: number): Settlement {
  const requestIds = Array.from({ length: calls }, () => uuid7());
  return { gatewayId: 'gateway-1', settled: { v: 1, accounts: [{ accountTag: 'account0', requestIds, totals: [] }] } };
}

describe('SettlementMemory', () => {
  it('keeps the latest settle-acks and never more calls than its bound', () => {
    const memory = new SettlementMemory();
    const settlements = Array.from({ length: 30 }, () => settlementOf(500));
    for (const settlement of settlements) memory.remember(settlement);
    expect(memory.list()).toEqual(settlements.slice(-REMEMBERED_CALLS_MAX / 500));
  });

  it('keeps the last one whole, however large', () => {
    const memory = new SettlementMemory();
    const large = settlementOf(REMEMBERED_CALLS_MAX + 1);
    memory.remember(settlementOf(1));
    memory.remember(large);
    expect(memory.list()).toEqual([large]);
  });
});
