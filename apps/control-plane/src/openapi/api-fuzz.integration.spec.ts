import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { START_TIMEOUT_MS, type TestControlPlane } from '../control-plane.fixture.js';
import { startWholePlane } from './api-caller.fixture.js';
import { runApiFuzz } from './api-fuzz.fixture.js';

/** The long run sends ten times as many. */
const RUNS = 500;
const TIMEOUT_MS = 240_000;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startWholePlane();
}, START_TIMEOUT_MS);
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
});
