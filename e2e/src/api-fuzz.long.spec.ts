import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestControlPlane } from '../../apps/control-plane/src/control-plane.fixture.js';
import { startWholePlane } from '../../apps/control-plane/src/openapi/api-caller.fixture.js';
import { runApiFuzz } from '../../apps/control-plane/src/openapi/api-fuzz.fixture.js';

const RUNS = 5_000;
const TIMEOUT_MS = 900_000;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startWholePlane();
});
afterAll(() => plane?.close());

describe('five thousand requests made from the description of the API', () => {
  it(
    'are answered as it says, and every operation succeeds at least once',
    async () => {
      const { operations, statuses, succeeded, failures } = await runApiFuzz(plane, RUNS);
      console.log(`${RUNS} requests, ${operations} operations, answers by status: ${JSON.stringify(statuses)}`);
      expect(failures).toEqual([]);
      expect(succeeded.size).toBeGreaterThan(operations / 2);
    },
    TIMEOUT_MS,
  );
});
