import { describe, expect, it, jest } from '@jest/globals';
import { Places } from './places.service.js';

const LONG_MS = 60_000;

function places(concurrencyMax: number | null, queueMax = 0, queueMs = LONG_MS) {
  const limits = { concurrencyMax, queueMax };
  return { limits, places: new Places(() => limits, queueMs) };
}

describe('places at a deployment', () => {
  it('without a limit never run out', () => {
    const { places: free } = places(null);
    for (let call = 0; call < 10_000; call += 1) free.take();
    expect(free.room).toBe('free');
  });

  it('are free up to the limit, then there is the queue up to its own, then nothing', () => {
    const { places: few } = places(2, 1);
    few.take();
    expect(few.room).toBe('free');
    few.take();
    expect(few.room).toBe('queue');
    few.wait(
      () => true,
      () => undefined,
    );
    expect(few.room).toBe('none');
    expect([few.inFlight, few.queued]).toEqual([2, 1]);
    few.giveBack();
  });

  it('are given to those who wait in the order in which they came, and to nobody who overtakes them', () => {
    const { places: one } = places(1, 3);
    const served: string[] = [];
    one.take();
    for (const name of ['first', 'second']) {
      one.wait(
        () => {
          served.push(name);
          return true;
        },
        () => undefined,
      );
    }
    expect(one.room).toBe('queue');
    one.giveBack();
    expect(served).toEqual(['first']);
    one.giveBack();
    expect(served).toEqual(['first', 'second']);
    one.giveBack();
    expect([one.inFlight, one.room]).toEqual([0, 'free']);
  });

  it('that are not wanted any more go to the next in the queue', () => {
    const { places: one } = places(1, 3);
    const served: string[] = [];
    one.take();
    for (const [name, isWanted] of [
      ['gone', false],
      ['stays', true],
    ] as const) {
      one.wait(
        () => {
          served.push(name);
          return isWanted;
        },
        () => undefined,
      );
    }
    one.giveBack();
    expect(served).toEqual(['gone', 'stays']);
    expect([one.inFlight, one.queued]).toEqual([1, 0]);
  });

  it('are not waited for longer than the bound', () => {
    jest.useFakeTimers();
    try {
      const { places: one } = places(1, 1, 1_000);
      const events: string[] = [];
      one.take();
      one.wait(
        () => events.push('place') > 0,
        () => void events.push('timeout'),
      );
      jest.advanceTimersByTime(999);
      expect(events).toEqual([]);
      jest.advanceTimersByTime(1);
      one.giveBack();
      expect(events).toEqual(['timeout']);
      expect([one.inFlight, one.queued]).toEqual([0, 0]);
    } finally {
      jest.useRealTimers();
    }
  });

  it('follow a limit that was raised', () => {
    const { limits, places: one } = places(1, 1);
    let isServed = false;
    one.take();
    one.wait(
      () => {
        isServed = true;
        return true;
      },
      () => undefined,
    );
    limits.concurrencyMax = 2;
    one.serveQueue();
    expect(isServed).toBe(true);
  });
});
