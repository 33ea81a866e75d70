import { describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { Limits } from '../load/tenants.js';
import { replayAdmissions, withGrantsGiven } from './admission-replay.js';
import type { BookedCall, ServedCall } from './books.js';
import { ACCOUNT, booked, byId, KEY, served, T0 } from './oracle.fixture.js';

function limits(changes: Partial<Limits> = {}): Limits {
  return { keys: new Map(), days: new Map(), grants: [], ...changes };
}
const keyOf = (nanoUsd: bigint) => limits({ keys: new Map([[KEY, nanoUsd]]) });

/** A call that the provider answered for so long after its admission. */
function call(atMs: number, lastedMs: number, changes: Partial<BookedCall> = {}): { row: BookedCall; at: ServedCall } {
  const row = booked({ requestId: uuid7(T0 + atMs), admittedAtMs: T0 + atMs, ...changes });
  return { row, at: served(row.requestId, { lastEndedAtMs: T0 + atMs + lastedMs }) };
}

function overshoots(calls: { row: BookedCall; at: ServedCall }[], allowed: Limits): number {
  const found = replayAdmissions({
    booked: calls.map(({ row }) => row),
    served: byId(...calls.map(({ at }) => at)),
    limits: allowed,
  });
  expect(found.every(({ kind }) => kind === 'overshoot')).toBe(true);
  return found.length;
}

describe('admissions repeated in their order', () => {
  it('one after the other count what they cost', () => {
    const calls = [call(0, 100), call(1_000, 100)];
    expect(overshoots(calls, keyOf(160n))).toBe(0);
    expect(overshoots(calls, keyOf(159n))).toBe(1);
  });

  it('at the same time count what they may cost: a limit is passed by admitting, not by charging', () => {
    const calls = [call(0, 1_000), call(500, 1_000)];
    expect(overshoots(calls, keyOf(200n))).toBe(0);
    expect(overshoots(calls, keyOf(199n))).toBe(1);
  });

  it('a call that the gateway left early counts what it cost: when it was settled is not known', () => {
    const [first, second] = [call(0, 1_000), call(500, 1_000)];
    first.at.isEndedByProvider = false;
    expect(overshoots([first, second], keyOf(160n))).toBe(0);
  });

  it('what a gateway had open that others gave up may be spent twice after a rebuild, up to its holds and not after it is back', () => {
    const standstills = [{ gateway: 'gateway-1', atMs: T0 + 500, goneAtMs: T0 + 500, wokenAtMs: T0 + 40_500 }];
    const replay = (admittedAtMs: number, limit: bigint, epochsEndedAtMs = [T0 + 20_000]) => {
      const calls = [call(0, 1_000), call(admittedAtMs, 10, { gatewayId: 'gateway-2' })];
      return replayAdmissions({
        booked: calls.map(({ row }) => row),
        served: byId(...calls.map(({ at }) => at)),
        limits: keyOf(limit),
        standstills,
        epochsEndedAtMs,
      }).map(({ kind }) => kind);
    };
    expect(replay(35_000, 159n)).toEqual(['spent twice']);
    expect(replay(35_000, 59n)).toEqual(['overshoot']);
    expect(replay(20_000, 159n)).toEqual(['overshoot']);
    expect(replay(60_000, 159n)).toEqual(['overshoot']);
    expect(replay(35_000, 159n, [])).toEqual(['overshoot']);
  });

  it('windows of a key are apart', () => {
    expect(overshoots([call(0, 10), call(1_000, 10, { windowIndex: 1 })], keyOf(100n))).toBe(0);
  });

  it('a day counts all keys of its account', () => {
    const calls = [call(0, 10), call(1_000, 10, { keyId: uuid7(T0) })];
    const day = (nanoUsd: bigint) => limits({ days: new Map([[ACCOUNT, nanoUsd]]) });
    expect(overshoots(calls, day(160n))).toBe(0);
    expect(overshoots(calls, day(159n))).toBe(1);
    expect(overshoots([calls[0] as never, call(1_000, 10, { day: '2026-11-22' })], day(100n))).toBe(0);
  });

  it('a balance is what had been granted by then, and no more', () => {
    const grant = (grantedAtMs: number, nanoUsd: bigint) => ({
      accountId: ACCOUNT,
      grantedAtMs,
      nanoUsd,
      usd: '',
      idempotencyKey: '',
    });
    const calls = [call(0, 10, { isPrepaid: true }), call(1_000, 10, { isPrepaid: true })];
    expect(overshoots(calls, limits({ grants: [grant(T0 - 1, 100n), grant(T0 + 500, 60n)] }))).toBe(0);
    expect(overshoots(calls, limits({ grants: [grant(T0 - 1, 100n), grant(T0 + 5_000, 60n)] }))).toBe(1);
    expect(overshoots(calls, limits())).toBe(1);
  });

  it('a credit that was asked for and never given is no part of a balance', () => {
    const grant = (idempotencyKey: string) => ({
      accountId: ACCOUNT,
      grantedAtMs: T0 - 1,
      nanoUsd: 100n,
      usd: '',
      idempotencyKey,
    });
    const calls = [call(0, 10, { isPrepaid: true }), call(1_000, 10, { isPrepaid: true })];
    const noted = limits({ grants: [grant('given'), grant('in vain')] });
    expect(overshoots(calls, withGrantsGiven(noted, new Set(['given', 'in vain'])))).toBe(0);
    expect(overshoots(calls, withGrantsGiven(noted, new Set(['given'])))).toBe(1);
  });
});
