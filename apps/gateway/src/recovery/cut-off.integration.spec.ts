import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import type { TestKey } from '../../test/test-keys.js';

let fixture: GatewayFixture;

beforeAll(async () => {
  fixture = await GatewayFixture.start();
});
afterAll(() => fixture?.stop());

/** What other gateways do when Redis has lost everything and nobody waits for this one any more. */
async function openWithoutGateway({ projection }: TestKey): Promise<void> {
  await fixture.redis.flushall();
  const { accountTag } = projection;
  const rebuildId = (await fixture.admission.beginRebuild(accountTag, uuid7())) as string;
  await fixture.admission.openEpoch({ accountTag, rebuildId, expectedGatewayIds: [] });
  expect(await fixture.view.listOpen(accountTag)).toEqual([]);
}

const statesOf = async ({ projection }: TestKey) =>
  (await fixture.view.listOpen(projection.accountTag)).map((entry) => entry.state);

describe('a gateway that others opened an account without', () => {
  it('brings its unacknowledged calls back when NATS is there again', async () => {
    const key = await fixture.addKey();
    expect((await fixture.chat(key, {})).status).toBe(200);
    await waitUntil(async () => (await statesOf(key)).join() === 'settled');
    await fixture.nats.server.kill();
    await openWithoutGateway(key);
    await fixture.nats.server.restart();
    await waitUntil(async () => (await statesOf(key)).join() === 'settled', { what: 'the call' });
  });

  it('brings a call back that ends without Redis knowing of it', async () => {
    const key = await fixture.addKey();
    const response = await fixture.chat(key, { stream: true, x_sim: { completionTokens: 30, chunkMs: 20 } });
    await waitUntil(async () => (await statesOf(key)).join() === 'held');
    await openWithoutGateway(key);
    expect(await response.text()).toMatch(/data: \[DONE\]\n\n$/);
    await waitUntil(async () => (await statesOf(key)).join() === 'settled');
  });
});
