import { beforeEach, describe, expect, it } from '@jest/globals';
import { ASKING_MAX, CULL_AFTER, OVERLOAD_MS, PATIENCE_MS, STANDING_MS, type Turn, WaitingLine } from './waiting-line.js';

const WAIT_MS = 25;

let nowMs: number;
let line: WaitingLine;
let turns: Turn[];
let waitedMs: number[];

beforeEach(() => {
  nowMs = 1_000_000;
  line = new WaitingLine(WAIT_MS, () => nowMs);
  turns = [];
  waitedMs = [];
});

async function enter(calls: number): Promise<void> {
  for (let index = 0; index < calls; index++) {
    const sinceMs = nowMs;
    void line.enter()?.then((turn) => {
      turns.push(turn);
      if (turn === 'ask') waitedMs.push(nowMs - sinceMs);
    });
  }
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

interface Pace {
  comingPerMs: number;
  answeredPerMs: number;
}

/** Calls come and are answered; returns how many were refused at the door. */
async function run(lastsMs: number, { comingPerMs, answeredPerMs }: Pace): Promise<number> {
  let refused = 0;
  let coming = 0;
  let answered = 0;
  for (const endMs = nowMs + lastsMs; nowMs < endMs; ) {
    nowMs += 1;
    for (coming += comingPerMs; coming >= 1; coming -= 1) {
      if (line.refuses()) refused += 1;
      else await enter(1);
    }
    answered = Math.min(answered + answeredPerMs, line.size);
    await leave(Math.floor(answered));
    answered -= Math.floor(answered);
  }
  return refused;
}

const OVERLOAD: Pace = { comingPerMs: 4, answeredPerMs: 1 };
/** Until whoever came before it was one is gone, and a while. */
const BEGINNING_MS = 300;

/** One batch after another until nobody is left. */
async function drain(): Promise<void> {
  while (line.size > 0) {
    nowMs += 10;
    await leave(Math.min(ASKING_MAX, line.size));
  }
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

  it('does not let those stand in it again who have had a turn', async () => {
    await enter(ASKING_MAX + 1);
    const again: Turn[] = [];
    void line.enterAgain()?.then((turn) => again.push(turn));
    expect(line.size).toBe(ASKING_MAX + 2);
    await leave(1);
    expect([again, turns]).toEqual([['ask'], []]);
    await leave(1);
    expect(turns).toEqual(['ask']);
  });

  it('lets no more ask at once although all of them have to ask once more, and tells them when Redis does not answer', async () => {
    const again: Turn[] = [];
    for (let call = 0; call < 3 * ASKING_MAX; call++) void line.enterAgain()?.then((turn) => again.push(turn));
    await leave(ASKING_MAX);
    expect(again).toEqual(Array(ASKING_MAX).fill('ask'));
    nowMs += WAIT_MS;
    line.disband();
    await settle();
    expect(again.slice(ASKING_MAX)).toEqual(Array(ASKING_MAX).fill('down'));
    expect(line.size).toBe(ASKING_MAX);
  });

  it('serves bursts however long they take, one after the other', async () => {
    for (let burst = 0; burst < 3; burst++) {
      turns = [];
      for (let call = 0; call < 32 * ASKING_MAX; call++) {
        expect(line.refuses()).toBe(false);
        await enter(1);
      }
      const startedMs = nowMs;
      await drain();
      expect(nowMs - startedMs).toBeGreaterThan(STANDING_MS + WAIT_MS);
      expect(turns).toEqual(Array(31 * ASKING_MAX).fill('ask'));
      nowMs += OVERLOAD_MS / 4;
    }
  });

  it('serves a burst to its last while other calls come, and those as well', async () => {
    await enter(500);
    expect(await run(600, { comingPerMs: 0.2, answeredPerMs: 2 })).toBe(0);
    await drain();
    expect(new Set(turns)).toEqual(new Set(['ask']));
  });

  it('refuses nobody because of a line in which nobody waits for long, however long it stands', async () => {
    await enter(2 * ASKING_MAX);
    for (let index = 0; index < 200; index++) {
      nowMs += WAIT_MS - 1;
      await leave(ASKING_MAX);
      expect(line.refuses()).toBe(false);
      await enter(ASKING_MAX);
    }
    expect(new Set(turns)).toEqual(new Set(['ask']));
  });

  it('refuses what keeps coming, serves as many as can be, and none of them after a long wait', async () => {
    await run(BEGINNING_MS, OVERLOAD);
    turns = [];
    waitedMs = [];
    const refused = await run(1_000, OVERLOAD);
    expect(refused).toBeGreaterThan(2_500);
    expect(turns.filter((turn) => turn === 'ask').length).toBeGreaterThan(950);
    expect(Math.max(...waitedMs)).toBeLessThanOrEqual(WAIT_MS + 1);
  });

  it('refuses those as well that stood in it when the overload began', async () => {
    const refused = await run(BEGINNING_MS, OVERLOAD);
    expect(refused).toBeGreaterThan(CULL_AFTER);
    expect(turns).toContain('late');
  });

  it('serves hardly anybody late while it is not known yet whether it is an overload', async () => {
    await run(500, { comingPerMs: 0.7, answeredPerMs: 1 });
    waitedMs = [];
    expect(await run(STANDING_MS + 50, { comingPerMs: 1.6, answeredPerMs: 1 })).toBeLessThan(CULL_AFTER);
    const late = waitedMs.filter((waited) => waited > 2 * WAIT_MS).length;
    expect(waitedMs.length).toBeGreaterThan(250);
    expect(late).toBeLessThan(0.02 * waitedMs.length);
  });

  it('holds an overload off for as long as it lasts, without letting it in every second', async () => {
    await run(BEGINNING_MS, OVERLOAD);
    waitedMs = [];
    await run(5 * OVERLOAD_MS, OVERLOAD);
    expect(Math.max(...waitedMs)).toBeLessThanOrEqual(WAIT_MS + 1);
  });

  it.each([
    ['a normal load', { comingPerMs: 0.8, answeredPerMs: 1 }],
    ['nothing', { comingPerMs: 0, answeredPerMs: 1 }],
  ])('takes a burst for one again when %s came for a while', async (_name, between) => {
    await run(OVERLOAD_MS, OVERLOAD);
    await drain();
    await run(2 * OVERLOAD_MS + STANDING_MS, between);
    await drain();
    turns = [];
    for (let call = 0; call < 10 * ASKING_MAX; call++) {
      expect(line.refuses()).toBe(false);
      await enter(1);
    }
    await drain();
    expect(new Set(turns)).toEqual(new Set(['ask']));
  });

  describe('under seven tenths of what can be served', () => {
    const normal: Pace = { comingPerMs: 0.7, answeredPerMs: 1 };
    const silent: Pace = { ...normal, answeredPerMs: 0 };
    const fast: Pace = { comingPerMs: 1.12, answeredPerMs: 1.6 };

    /** The process reads what came meanwhile all at once. */
    async function stallFor(lastsMs: number, { comingPerMs }: Pace): Promise<void> {
      nowMs += lastsMs;
      for (let call = 0; call < Math.floor(lastsMs * comingPerMs); call++) {
        expect(line.refuses()).toBe(false);
        await enter(1);
      }
    }

    it.each([80, 150, 340, 1_000])('takes a pause of %i ms for none', async (pauseMs) => {
      await run(500, normal);
      expect(await run(pauseMs, silent)).toBe(0);
      expect(await run(4 * pauseMs, normal)).toBe(0);
      expect(turns).not.toContain('late');
      expect(line.size).toBeLessThan(ASKING_MAX);
    });

    it('bears with a quarter of a second in which half as many are answered', async () => {
      await run(500, normal);
      expect(await run(250, { ...normal, answeredPerMs: 0.5 * normal.answeredPerMs })).toBe(0);
      expect(await run(1_000, normal)).toBe(0);
      expect(turns).not.toContain('late');
    });

    it('refuses where it stays so', async () => {
      await run(500, normal);
      expect(await run(1_500, { ...normal, answeredPerMs: 0.5 * normal.answeredPerMs })).toBeGreaterThan(CULL_AFTER);
    });

    it('takes pauses for none that come while it catches up with others', async () => {
      await run(500, normal);
      await run(150, silent);
      for (const restMs of [80, 110, 70]) {
        expect(await run(restMs, normal)).toBe(0);
        expect(await run(60, silent)).toBe(0);
      }
      expect(await run(1_500, normal)).toBe(0);
      expect(turns).not.toContain('late');
      expect(line.size).toBeLessThan(ASKING_MAX);
    });

    it('takes a hiccup for none while a long line catches up', async () => {
      await run(500, fast);
      await stallFor(500, fast);
      for (let hiccup = 0; hiccup < 8; hiccup++) {
        expect(await run(60, fast)).toBe(0);
        await stallFor(20, fast);
      }
      expect(await run(2_000, fast)).toBe(0);
      expect(turns).not.toContain('late');
      expect(line.size).toBeLessThan(ASKING_MAX);
    });

    it.each([
      [150, 60, 137],
      [137, 60, 137],
      [100, 40, 137],
    ])(
      'takes pauses of %i and, %i ms later, %i ms for none, whose calls are read at once',
      async (firstMs, restMs, secondMs) => {
        await run(500, normal);
        await stallFor(firstMs, normal);
        expect(await run(restMs, normal)).toBe(0);
        await stallFor(secondMs, normal);
        expect(await run(2_000, normal)).toBe(0);
        expect(turns).not.toContain('late');
      },
    );

    it('does not count against the line what is answered to those who ask again', async () => {
      await run(500, normal);
      await run(200, silent);
      expect(await run(250, normal)).toBe(0);
      for (let call = 0; call < 300; call++) void line.enterAgain();
      expect(await run(1_500, normal)).toBe(0);
      expect(turns).not.toContain('late');
    });

    it('takes one for none in which the process itself stood still', async () => {
      await run(500, normal);
      for (let pause = 0; pause < 3; pause++) {
        nowMs += 100;
        for (let call = 0; call < 70; call++) {
          expect(line.refuses()).toBe(false);
          await enter(1);
        }
        expect(await run(80, normal)).toBe(0);
      }
      expect(turns).not.toContain('late');
    });

    it('lets nobody wait for much longer than the pause was, though the newest go first behind it', async () => {
      await run(500, normal);
      waitedMs = [];
      await run(200, silent);
      await run(1_500, normal);
      expect(waitedMs.length).toBeGreaterThan(300);
      expect(Math.max(...waitedMs)).toBeGreaterThan(200);
      expect(Math.max(...waitedMs)).toBeLessThan(PATIENCE_MS + 2 * ASKING_MAX);
    });

    it('is not kept from noticing an overload by long turns of the loop', async () => {
      let refused = 0;
      for (let turn = 0; turn < 14; turn++) {
        nowMs += 45;
        for (let call = 0; call < 3 * ASKING_MAX; call++) {
          if (line.refuses()) refused += 1;
          else await enter(1);
        }
        await leave(Math.min(ASKING_MAX, line.size));
      }
      expect(refused).toBeGreaterThan(CULL_AFTER);
    });

    it('notices an overload that begins while it catches up with a pause', async () => {
      await run(500, normal);
      await run(300, silent);
      expect(await run(200, normal)).toBe(0);
      expect(await run(BEGINNING_MS, { comingPerMs: 3, answeredPerMs: 1 })).toBeGreaterThan(CULL_AFTER);
    });
  });

  it('tells those who have waited for long when Redis does not answer; the others may ask, and none who ask is told anything', async () => {
    await enter(ASKING_MAX + 5);
    nowMs += WAIT_MS;
    await enter(3);
    line.disband();
    await settle();
    expect(turns).toEqual(Array(5).fill('down'));
    expect(line.size).toBe(ASKING_MAX + 3);
    await leave(3);
    expect(turns.slice(5)).toEqual(['ask', 'ask', 'ask']);
  });
});
