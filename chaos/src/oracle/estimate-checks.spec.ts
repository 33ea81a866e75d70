import { describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { ClientRecord } from '../load/client-record.js';
import type { BookedCall, ServedCall } from './books.js';
import { checkEstimates } from './estimate-checks.js';
import { booked, byId, client, served, T0 } from './oracle.fixture.js';

const id = uuid7(T0);
const death = { gateway: 'gateway-1', atMs: T0 + 50, goneAtMs: T0 + 60 };
const cut: Partial<BookedCall> = { outcome: 'gateway_died', isEstimated: true };
const gone: Partial<ServedCall> = { isCompleted: false, isEndedByProvider: false, lastOutcome: 'client_gone' };

interface Told {
  at?: Partial<ServedCall> | null;
  seen?: Partial<ClientRecord>;
  deaths?: (typeof death)[];
}

/** How many violations there are where the books say this, and the provider and the client that. */
function count(row: Partial<BookedCall>, { at = {}, seen = {}, deaths = [] }: Told = {}): number {
  const found = checkEstimates({
    booked: [booked({ requestId: id, ...row })],
    served: at === null ? new Map() : byId(served(id, at)),
    clients: [client({ requestId: id, ...seen })],
    deaths,
  });
  expect(found.every(({ kind }) => kind === 'price')).toBe(true);
  return found.length;
}

describe('what may be an estimate, and what may cost anything', () => {
  it('a provider that keeps to what was asked leaves no overrun', () => {
    expect(count({})).toBe(0);
    expect(count({ overrunNanoUsd: 1n })).toBe(1);
  });

  it('only a gateway that died cuts a call by its death, and only one that was then open', () => {
    const seen = { ending: 'broken' as const };
    expect(count(cut, { at: gone, seen, deaths: [death] })).toBe(0);
    expect(count(cut, { at: gone, seen })).toBe(1);
    expect(count(cut, { at: gone, seen, deaths: [{ ...death, gateway: 'gateway-2' }] })).toBe(1);
    expect(count({ ...cut, admittedAtMs: T0 + 60_000 }, { at: gone, seen, deaths: [death] })).toBe(1);
    const later = { ...death, atMs: T0 + 10_000, goneAtMs: T0 + 10_010 };
    expect(count({ ...cut, recordedAtMs: T0 + 12_000 }, { at: gone, seen, deaths: [later] })).toBe(1);
  });

  it('an answer that was still being counted when its gateway died is shown by the client that waited for it', () => {
    const later = { ...death, atMs: T0 + 1_300, goneAtMs: T0 + 1_310 };
    const told = (seen: Partial<ClientRecord>) => ({
      at: { isUsageSent: false },
      seen: { requestId: null, status: null, bytes: 0, ending: 'unreachable' as const, endedAtMs: T0 + 1_305, ...seen },
      deaths: [later],
    });
    expect(count({ ...cut, chargeNanoUsd: 0n }, told({}))).toBe(0);
    expect(count({ ...cut, chargeNanoUsd: 0n }, told({ keyId: uuid7(T0) }))).toBe(1);
    expect(count({ ...cut, chargeNanoUsd: 0n }, told({ gateway: 'gateway-2' }))).toBe(1);
    expect(count({ ...cut, chargeNanoUsd: 0n }, told({ endedAtMs: T0 + 300 }))).toBe(1);
  });

  it.each(['cut', 'error'] as const)(
    'what the provider itself ended with %s is free, whatever the client did',
    (lastOutcome) => {
      const at = { isCompleted: false, lastOutcome };
      expect(count({ outcome: 'upstream_cut', chargeNanoUsd: 0n }, { at })).toBe(0);
      for (const outcome of ['client_aborted', 'drain_capped', 'completed'])
        expect(count({ outcome, isEstimated: true }, { at })).toBeGreaterThan(0);
    },
  );

  it('an answer whose usage was told is no estimate, and one of which none was told is', () => {
    expect(count({ isEstimated: true }, { at: { isUsageSent: false } })).toBe(0);
    expect(count({ isEstimated: true })).toBe(1);
    expect(count({ outcome: 'client_aborted', isEstimated: true, chargeNanoUsd: 0n }, { seen: { ending: 'left' } })).toBe(1);
    expect(count({ isEstimated: true }, { at: null })).toBe(1);
  });

  it('a gateway stops reading for a client that left only at its bound', () => {
    const capped = { outcome: 'drain_capped', isEstimated: true };
    expect(count(capped, { at: { ...gone, lastEndedAtMs: T0 + 120_100 } })).toBe(0);
    expect(count(capped, { at: { ...gone, lastEndedAtMs: T0 + 45_000 } })).toBe(1);
    expect(count(capped, { at: { lastEndedAtMs: T0 + 120_100 } })).toBe(1);
  });

  it('a stream that had flowed for longer than its progress may go unnoted costs something when its gateway dies', () => {
    const late = { gateway: 'gateway-1', atMs: T0 + 60_000, goneAtMs: T0 + 60_010 };
    const told = (flowedMs: number) => ({
      at: { ...gone, isStream: true, lastEndedAtMs: T0 + 60_000 },
      seen: { stream: true, headAtMs: T0 + 60_000 - flowedMs, endedAtMs: T0 + 60_000, ending: 'broken' as const },
      deaths: [late],
    });
    expect(count(cut, told(50_000))).toBe(0);
    expect(count({ ...cut, chargeNanoUsd: 0n }, told(50_000))).toBe(1);
    expect(count({ ...cut, chargeNanoUsd: 0n }, told(1_000))).toBe(0);
  });
});
