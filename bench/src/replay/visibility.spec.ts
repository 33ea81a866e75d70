import { expect, it } from '@jest/globals';
import type { ActivityPage } from '@tensorloop/contracts/dashboard-api';
import { VisibilityPoller } from './visibility.js';

function pageOf(requestIds: string[]): ActivityPage {
  const data = requestIds.map((requestId) => ({ requestId })) as ActivityPage['data'];
  return { data, hasMore: false, nextCursor: null, dataThrough: '2026-11-21T00:00:00.000Z' };
}

it('measures from the last byte to the first poll that shows the row, once per row', async () => {
  const pages = [pageOf([]), pageOf(['a']), pageOf(['b', 'a'])];
  const poller = new VisibilityPoller(async () => pages.shift() ?? pageOf(['b', 'a']));
  const endedAtMs = performance.now() - 100;
  poller.expect('a', endedAtMs);
  poller.expect('b', endedAtMs);
  await poller.stop();
  expect(poller.delaysMs).toHaveLength(2);
  const [a = 0, b = 0] = poller.delaysMs;
  expect(a).toBeGreaterThanOrEqual(100);
  expect(b).toBeGreaterThan(a);
  expect(poller.unseen).toBe(0);
});

it('gives up a row that does not appear, and counts it', async () => {
  const poller = new VisibilityPoller(async () => pageOf([]));
  poller.expect('lost', performance.now() - 31_000);
  await poller.stop();
  expect([poller.delaysMs.length, poller.unseen]).toEqual([0, 1]);
});

it('goes on after a poll that failed, and counts it', async () => {
  let polls = 0;
  const poller = new VisibilityPoller(async () => {
    if (polls++ === 0) throw new Error('503');
    return pageOf(['a']);
  });
  poller.expect('a', performance.now());
  await poller.stop();
  expect([poller.delaysMs.length, poller.failedPolls]).toEqual([1, 1]);
});
