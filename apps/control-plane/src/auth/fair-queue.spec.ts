import { describe, expect, it } from '@jest/globals';
import { FairQueue, QueueFullError } from './fair-queue.js';

const BOUNDS = { atOnceMax: 1, waitingMax: 6, waitingPerGroupMax: 4 };

/** A queue whose work ends when it is told to. */
function start(bounds = BOUNDS) {
  const queue = new FairQueue(bounds);
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const add = (group: string) =>
    queue
      .run(group, () => {
        begun.push(group);
        return new Promise<void>((resolve) => ends.push(resolve));
      })
      .then(
        () => 'done',
        (err: unknown) => (err instanceof QueueFullError ? 'refused' : 'failed'),
      );
  /** Ends what runs until nothing does. */
  const drain = async () => {
    for (let end = ends.shift(); end !== undefined; end = ends.shift()) {
      end();
      await new Promise(setImmediate);
    }
  };
  return { queue, begun, add, drain };
}

describe('a flood of sign-ins (TL-1)', () => {
  it('does not hold up who comes from elsewhere: groups take turns', async () => {
    const { add, begun, drain } = start();
    const all = [...Array.from({ length: 4 }, () => add('flood')), add('other')];
    await drain();
    expect(begun).toEqual(['flood', 'flood', 'other', 'flood', 'flood']);
    expect(new Set(await Promise.all(all))).toEqual(new Set(['done']));
  });

  it('is refused beyond what one group may wait for', async () => {
    const { add, drain } = start();
    const flood = Array.from({ length: 8 }, () => add('flood'));
    const other = add('other');
    await drain();
    expect((await Promise.all(flood)).filter((outcome) => outcome === 'refused')).toHaveLength(3);
    expect(await other).toBe('done');
  });

  it('makes room for others when everything is full', async () => {
    const { add, drain } = start();
    const running = add('a');
    const full = [...Array.from({ length: 4 }, () => add('a')), add('b'), add('b')];
    const late = add('c');
    await drain();
    expect([await running, await late]).toEqual(['done', 'done']);
    expect(await Promise.all(full)).toEqual(['done', 'done', 'done', 'refused', 'done', 'done']);
  });

  it('of as many groups as there are places is refused, not kept', async () => {
    const { add, drain } = start();
    const all = Array.from({ length: 9 }, (_, n) => add(`group ${n}`));
    await drain();
    expect((await Promise.all(all)).filter((outcome) => outcome === 'refused')).toHaveLength(2);
  });
});

it('work that fails gives its place on', async () => {
  const { queue, add, drain } = start();
  await expect(queue.run('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  const next = add('a');
  await drain();
  expect(await next).toBe('done');
});
