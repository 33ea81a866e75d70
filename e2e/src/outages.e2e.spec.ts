import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { chat } from './harness/chat.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS } from './harness/installation.js';
import { startTraffic, type Traffic } from './harness/traffic.js';

const TEST_TIMEOUT_MS = 300_000;
const SIM = { latencyMs: 10, completionTokens: 15 };
const SERVED_DURING_OUTAGE = 60;

let installation: Installation;
let holder: KeyHolder;

beforeAll(async () => {
  installation = await Installation.start();
  holder = await installation.mint(await installation.signUp('internal'));
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

/** Waits until that many more calls went through, whatever is down. */
async function servedMore(traffic: Traffic, calls: number): Promise<void> {
  const before = traffic.completed.length;
  await waitUntil(() => traffic.completed.length >= before + calls, {
    what: `${calls} more calls to be served`,
  });
}

/** Every call that a client saw through to its end is booked as such, and the audit is exact. */
async function expectExact(traffic: Traffic): Promise<void> {
  await installation.auditExactly(traffic.completed.length);
  const [row] = await installation.database.query<{ count: string }>(
    `SELECT count(*) FROM metering.usage WHERE request_id = ANY ($1) AND outcome = 'completed'`,
    [traffic.completed],
  );
  expect(Number(row?.count)).toBe(traffic.completed.length);
}

describe('kill -9 in mid-traffic, then an exact audit:', () => {
  it(
    'metering, which is down for a while: known keys are served on, nothing is lost or booked twice',
    async () => {
      const traffic = startTraffic(holder.client, { concurrency: 8, sim: SIM });
      await servedMore(traffic, 40);
      await installation.service('metering').kill();
      await servedMore(traffic, SERVED_DURING_OUTAGE);
      await installation.service('metering').restart();
      await installation.hastenRedelivery();
      await servedMore(traffic, 20);
      await installation.service('metering').kill();
      await installation.service('metering').restart();
      await installation.hastenRedelivery();
      await traffic.stop();
      expect(traffic.failed).toEqual([]);
      await expectExact(traffic);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'NATS, which is down for a while: known keys are served on, nothing is lost or booked twice',
    async () => {
      const traffic = startTraffic(holder.client, { concurrency: 8, sim: SIM });
      await servedMore(traffic, 40);
      await installation.nats.kill();
      await servedMore(traffic, SERVED_DURING_OUTAGE);
      await installation.nats.restart();
      await installation.hastenRedelivery();
      await servedMore(traffic, 20);
      await traffic.stop();
      expect(traffic.failed).toEqual([]);
      await expectExact(traffic);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'the control plane, which is down for a while: known keys are served on, and a revoke binds once it is back',
    async () => {
      const traffic = startTraffic(holder.client, { concurrency: 4, sim: SIM });
      const other = await installation.mint(holder);
      await chat(other.client);
      await installation.service('control-plane').kill();
      await servedMore(traffic, SERVED_DURING_OUTAGE);
      await chat(other.client);
      await installation.service('control-plane').restart();
      expect((await holder.dashboard.send('DELETE', `/api/keys/${other.key.id}`)).status).toBeLessThan(300);
      await expect(chat(other.client)).rejects.toMatchObject({ status: 401 });
      await traffic.stop();
      expect(traffic.failed).toEqual([]);
      await expectExact(traffic);
    },
    TEST_TIMEOUT_MS,
  );
});
