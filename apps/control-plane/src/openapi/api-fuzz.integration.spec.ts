import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestControlPlane } from '../control-plane.fixture.js';
import { LIMITS } from '../throttle/throttle.rules.js';
import { startWholePlane } from './api-caller.fixture.js';
import { runApiFuzz } from './api-fuzz.fixture.js';

/** The long run sends ten times as many. */
const RUNS = 500;
/** More than one network may ask of credential endpoints in a minute, by half. */
const RUNS_OF_ONE_NETWORK = LIMITS.requestsByNetwork.max * 1.5;
const WAVE = 20;
const TIMEOUT_MS = 240_000;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startWholePlane();
});
afterAll(() => plane?.close());

describe('requests made from the description of the API', () => {
  it(
    'are answered as it says: no error of ours, no status, code or body that it does not have',
    async () => {
      const { operations, requests, statuses, succeeded, failures } = await runApiFuzz(plane, RUNS);
      console.log(`${requests} requests, ${operations} operations, answers by status: ${JSON.stringify(statuses)}`);
      expect(failures).toEqual([]);
      expect(requests).toBe(RUNS);
      // Most cases are almost right: without successes among them the run would prove nothing.
      expect(succeeded.size).toBeGreaterThan(operations / 3);
      expect(statuses[400]).toBeGreaterThan(RUNS / 20);
    },
    TIMEOUT_MS,
  );

  it(
    'are answered as it says to a network that has asked, guessed and had mails sent too often',
    async () => {
      const browser = plane.browser();
      const email = () => `${randomUUID()}@example.com`;
      // In waves: more at once would be turned away by the queue of hashes and count for nothing.
      for (let sent = 0; sent < LIMITS.failuresByNetwork.max; sent += WAVE) {
        const guess = () => browser.send('POST', '/api/auth/sign-in', { body: { email: email(), password: 'wrong guess' } });
        await Promise.all(Array.from({ length: WAVE }, guess));
      }
      const askForMail = () => browser.send('POST', '/api/auth/password-reset', { body: { email: email() } });
      await Promise.all(Array.from({ length: LIMITS.mailsByNetwork.max }, askForMail));
      // Requests are counted anew; guesses and mails are not yet.
      plane.clockOffsetMs = LIMITS.requestsByNetwork.windowMs;
      const { codes, statuses, failures } = await runApiFuzz(plane, RUNS_OF_ONE_NETWORK, {
        only: ({ path }) => path.startsWith('/api/auth/'),
        address: browser.address,
      });
      console.log(`one network: answers by status: ${JSON.stringify(statuses)}`);
      expect(failures).toEqual([]);
      expect([...codes]).toEqual(expect.arrayContaining(['sign_in_throttled', 'mail_throttled', 'network_throttled']));
    },
    TIMEOUT_MS,
  );
});
