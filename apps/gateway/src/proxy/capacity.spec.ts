import { describe, expect, it } from '@jest/globals';
import { WAITING_MAX } from '../settlement/redis-writes.service.js';
import { Capacity, OPEN_CALLS_MAX, SHED_OPEN_CALLS_MIN, UNACKNOWLEDGED_MAX } from './capacity.service.js';

const idle = {
  isReady: true,
  waiting: 0,
  backlog: 0,
  open: 0,
  arriving: 0,
  disk: null as string | null,
  isLate: false,
  isLineLong: false,
};

function capacityWith(change: Partial<typeof idle>): Capacity {
  const { isReady, waiting, backlog, open, arriving, disk, isLate, isLineLong } = { ...idle, ...change };
  const capacity = new Capacity({
    disk: { problem: () => disk },
    models: { isReady },
    writes: { size: waiting },
    shipper: { backlog },
    openCalls: { size: open },
    gate: { waiting: arriving, refuses: () => isLineLong },
    lateness: { sheds: () => isLate },
  });
  capacity.recovered();
  return capacity;
}

describe('a gateway', () => {
  it('takes calls when nothing is in the way', () => {
    expect(capacityWith({}).refusal()).toBeNull();
    expect(capacityWith({}).overload()).toBeNull();
  });

  it.each([
    ['models and prices have not arrived', { isReady: false }],
    ['too much waits for Redis', { waiting: WAITING_MAX + 1 }],
    ['metering is too far behind', { backlog: UNACKNOWLEDGED_MAX }],
    ['too many calls are open', { open: OPEN_CALLS_MAX }],
    ['too many are open or ask to be', { open: OPEN_CALLS_MAX - 10, arriving: 10 }],
    ['the disk is full', { disk: 'full' }],
  ])('refuses with a 503 that says when to come back while %s', (_name, change) => {
    const capacity = capacityWith(change);
    const refusal = capacity.refusal();
    expect(refusal?.status).toBe(503);
    expect(Number(refusal?.headers['retry-after'])).toBeGreaterThan(0);
    expect(capacity.overload()).toBeNull();
  });

  it.each([
    ['the calls it has are late', { isLate: true, open: SHED_OPEN_CALLS_MIN }],
    ['calls wait too long to be admitted', { isLineLong: true }],
  ])('sheds with a 503 that says when to come back while %s', (_name, change) => {
    const capacity = capacityWith(change);
    const overload = capacity.overload();
    expect(overload).toMatchObject({ status: 503, body: { error: { code: 'overloaded' } } });
    expect(Number(overload?.headers['retry-after'])).toBeGreaterThan(0);
    expect(capacity.refusal()).toBeNull();
  });

  it('takes calls although it is late when so few are open that they are not why', () => {
    expect(capacityWith({ isLate: true, open: SHED_OPEN_CALLS_MIN - 1 }).overload()).toBeNull();
  });

  it('takes no call before what the last run left is settled, and none once it is shutting down', () => {
    const capacity = capacityWith({});
    capacity.drain();
    expect(capacity.refusal()?.body.error.code).toBe('shutting_down');
    const fresh = new Capacity({
      disk: { problem: () => null },
      models: { isReady: true },
      writes: { size: 0 },
      shipper: { backlog: 0 },
      openCalls: { size: 0 },
      gate: { waiting: 0, refuses: () => false },
      lateness: { sheds: () => false },
    });
    expect(fresh.refusal()?.body.error.code).toBe('admission_unavailable');
  });
});
