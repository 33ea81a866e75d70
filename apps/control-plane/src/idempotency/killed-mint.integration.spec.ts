import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeyMinted, KeyPage } from '@tensorloop/contracts/api/keys';
import { listFailPoints } from '@tensorloop/nest-kit/fail-points';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { Victim } from '../victim.fixture.js';
import { OPEN_ANSWER_MS_MAX } from './idempotency.rules.js';

/** The one in which nothing fails. */
let plane: TestControlPlane;
let victim: Victim | undefined;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterEach(() => {
  plane.clockOffsetMs = 0;
  return victim?.stop();
});
afterAll(() => plane?.close());

describe.each(listFailPoints('control-plane'))('a mint whose process is killed at %s', (point) => {
  it('is not made again by its repetition, which is told of the key and not of its text', async () => {
    const { browser } = await plane.signUp();
    const request = { body: { name: 'once' }, headers: { 'idempotency-key': randomUUID() } };
    victim = await Victim.start(plane, `${point}=kill`);
    await expect(victim.browserLike(browser).send('POST', '/api/keys', request)).rejects.toThrow();
    await victim.killed(point);
    const early = await browser.send('POST', '/api/keys', request);
    expect([early.status, early.body.code]).toEqual([409, 'idempotency_in_flight']);
    plane.clockOffsetMs = OPEN_ANSWER_MS_MAX;
    const again = await browser.send<KeyMinted>('POST', '/api/keys', request);
    expect([again.status, again.body.key, again.headers.get('idempotency-replayed')]).toEqual([201, null, 'true']);
    const { body } = await browser.send<KeyPage>('GET', '/api/keys?include=inactive');
    expect(body.data.map(({ id }) => id)).toEqual([again.body.id]);
  });
});
