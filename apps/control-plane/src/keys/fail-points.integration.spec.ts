import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeyPage } from '@tensorloop/contracts/api/keys';
import { listFailPoints } from '@tensorloop/nest-kit/fail-points';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { Victim } from '../victim.fixture.js';

/** The one in which nothing fails. */
let plane: TestControlPlane;
let victim: Victim | undefined;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterEach(() => victim?.stop());
afterAll(() => plane?.close());

describe.each(listFailPoints('control-plane'))('a control plane killed at %s', (point) => {
  it('has its change carried out by another: a revocation it never answered is in force', async () => {
    const { browser } = await plane.signUp();
    const { body: key } = await browser.mint();
    victim = await Victim.start(plane, `${point}=kill`);
    await expect(victim.browserLike(browser).send('DELETE', `/api/keys/${key.id}`)).rejects.toThrow();
    await victim.killed(point);
    await waitUntil(
      async () => {
        const names = await plane.redis.keys('tl:*:key:*');
        const hashes = await Promise.all(names.map((name) => plane.redis.hmget(name, 'keyId', 'revoked')));
        return hashes.some(([keyId, revoked]) => keyId === key.id && revoked === '1');
      },
      { what: 'the revocation in Redis' },
    );
    await waitUntil(async () => (await plane.database.query('SELECT FROM control.key_projection_outbox')).length === 0, {
      what: 'an empty outbox',
    });
    const { body } = await browser.send<KeyPage>('GET', '/api/keys');
    expect(body.data.map(({ id }) => id)).not.toContain(key.id);
  });
});
