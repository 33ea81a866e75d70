import { beforeEach, describe, expect, it } from '@jest/globals';
import { ASKING_MAX, CALM_MS, REFUSED_MIN, STANDING_MS, type Turn, WAIT_MS, WaitingLine } from './waiting-line.js';

let nowMs: number;
let line: WaitingLine;
let turns: Turn[];

beforeEach(() => {
  nowMs = 1_000_000;
  line = new WaitingLine(() => nowMs);
  turns = [];
});

async function enter(calls: number): Promise<void> {
  for (let index = 0; index < calls; index++) void line.enter()?.then((turn) => turns.push(turn));
  await settle();
}

async function leave(calls: number): Promise<void> {
  for (let index = 0; index < calls; index++) line.leave();
  await settle();
}

/** What was told is heard a turn later. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** An overload: what comes is four times what is answered. Returns how many were refused at the door. */
async function overload(lastsMs: number, { answeredPerMs = 1, comingPerMs = 4 } = {}): Promise<number> {
  let refused = 0;
  for (const endMs = nowMs + lastsMs; nowMs < endMs; ) {
    nowMs += 1;
    for (let index = 0; index < comingPerMs; index++) {
      if (line.refuses()) refused += 1;
      else await enter(1);
    }
    await leave(Math.min(answeredPerMs, line.size));
  }
  return refused;
}

describe('the line before Redis', () => {
  it('lets a number of calls ask at once, and the others in the order in which they came', async () => {
    for (let index = 0; index < ASKING_MAX; index++) expect(line.enter()).toBeNull();
    const order: number[] = [];
    for (const call of [1, 2, 3]) void line.enter()?.then(() => order.push(call));
    expect(line.size).toBe(ASKING_MAX + 3);
    await leave(2);
    expect(order).toEqual([1, 2]);
    await leave(1);
    expect(order).toEqual([1, 2, 3]);
    await leave(ASKING_MAX);
    expect(line.size).toBe(0);
    expect(line.enter()).toBeNull();
  });

  it('serves a burst that came at once, however long it takes', async () => {
    await enter(20 * ASKING_MAX);
    expect(line.refuses()).toBe(false);
    while (line.size > 0) {
      nowMs += STANDING_MS;
      await leave(1);
    }
    expect(turns).toHaveLength(19 * ASKING_MAX);
    expect(new Set(turns)).toEqual(new Set(['ask']));
  });

  it('refuses nobody because of a line that moves, however long it stands', async () => {
    await enter(2 * ASKING_MAX);
    for (let index = 0; index < 200; index++) {
      nowMs += 10;
      await leave(ASKING_MAX);
      expect(line.refuses()).toBe(false);
      await enter(ASKING_MAX);
    }
    expect(new Set(turns)).toEqual(new Set(['ask']));
  });

  it('refuses what keeps coming, serves as many as can be, and none of them after a long wait', async () => {
    await overload(2 * STANDING_MS);
    turns = [];
    const waitedMs: number[] = [];
    let refused = 0;
    for (let step = 0; step < 1_000; step++) {
      nowMs += 1;
      for (let index = 0; index < 4; index++) {
        if (line.refuses()) refused += 1;
        else {
          const sinceMs = nowMs;
          void line.enter()?.then((turn) => {
            turns.push(turn);
            if (turn === 'ask') waitedMs.push(nowMs - sinceMs);
          });
        }
      }
      await leave(1);
    }
    expect(refused).toBeGreaterThan(2_500);
    expect(turns.filter((turn) => turn === 'ask').length).toBeGreaterThan(950);
    expect(Math.max(...waitedMs)).toBeLessThanOrEqual(WAIT_MS + 1);
  });

  it('refuses those as well that stood in it when the overload began, once enough were refused at the door', async () => {
    const refused = await overload(STANDING_MS + WAIT_MS + 20);
    expect(refused).toBeGreaterThan(REFUSED_MIN);
    expect(turns).toContain('late');
  });

  it('waits again before it refuses when it has been calm in between, and not when it has not', async () => {
    await overload(2 * STANDING_MS);
    await leave(line.size);
    nowMs += CALM_MS / 2;
    await enter(3 * ASKING_MAX);
    nowMs += WAIT_MS;
    expect(line.refuses()).toBe(true);
    await leave(line.size);
    nowMs += CALM_MS + 1;
    await enter(3 * ASKING_MAX);
    nowMs += WAIT_MS;
    expect(line.refuses()).toBe(false);
  });

  it('tells all who wait when Redis does not answer, and none who ask', async () => {
    await enter(ASKING_MAX + 5);
    line.disband();
    await settle();
    expect(turns).toEqual(Array(5).fill('down'));
    expect(line.size).toBe(ASKING_MAX);
  });
});
