import { describe, expect, it } from '@jest/globals';
import { FENCE_AFTER_MS } from '@tensorloop/contracts/gateway-registry';
import type { ApiError } from '../errors/api-error.types.js';
import type { OpenCall } from '../proxy/open-call.js';
import { Standstill, WATCH_MS } from './standstill.js';

/** A gateway with two open calls, whose clocks are the test's: [monotonic, one that goes on in the machine's sleep]. */
function newGateway() {
  const clocksMs: [number, number] = [5_000, 900_000];
  const ended: (ApiError | undefined)[] = [];
  const fenced: [stoodMs: number, calls: number][] = [];
  const call = { endNow: async (error?: ApiError) => void ended.push(error) } as unknown as OpenCall;
  const standstill = new Standstill({
    openCalls: { list: () => [call, call] },
    onFenced: (stoodMs, calls) => fenced.push([stoodMs, calls]),
    clocks: [() => clocksMs[0], () => clocksMs[1]],
  });
  const passes = (monotonicMs: number, asleepMs = 0) => {
    clocksMs[0] += monotonicMs;
    clocksMs[1] += monotonicMs + asleepMs;
    standstill.look();
  };
  return { passes, ended, fenced };
}

describe('a gateway that stood still', () => {
  it('for longer than the fence ends its open calls, each with a reason', () => {
    const { passes, ended, fenced } = newGateway();
    passes(FENCE_AFTER_MS + 10_000);
    expect(ended.map((error) => error?.body.error.code)).toEqual(['gateway_interrupted', 'gateway_interrupted']);
    expect(fenced).toEqual([[FENCE_AFTER_MS + 10_000, 2]]);
  });

  it('because its machine slept does so too, although its own clock stood with it', () => {
    const { passes, ended } = newGateway();
    passes(WATCH_MS, FENCE_AFTER_MS);
    expect(ended).toHaveLength(2);
  });

  it('for less than a beat short of the fence goes on: nobody has given it up', () => {
    const { passes, ended } = newGateway();
    passes(FENCE_AFTER_MS - 5_001);
    expect(ended).toEqual([]);
  });

  it('ends nothing for any number of short halts', () => {
    const { passes, ended } = newGateway();
    for (let halt = 0; halt < 100; halt++) passes(WATCH_MS + 4_000);
    expect(ended).toEqual([]);
  });

  it('ends the calls of each standstill once', () => {
    const { passes, ended } = newGateway();
    passes(FENCE_AFTER_MS);
    passes(WATCH_MS);
    expect(ended).toHaveLength(2);
  });
});
