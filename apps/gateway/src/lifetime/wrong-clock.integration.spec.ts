import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { uuid7Time } from '@tensorloop/kernel/uuid7';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

let fixture: GatewayFixture;

beforeAll(async () => {
  fixture = await GatewayFixture.start();
});
afterAll(() => fixture?.stop());

describe('on a machine whose clock is three days behind', () => {
  it('the first call has an id of the instant of its admission, and is charged', async () => {
    const shift = `const now = Date.now; Date.now = () => now() - ${3 * DAY_MS};`;
    fixture.environment = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(shift)}` };
    await fixture.gateway.stop('SIGKILL');
    await fixture.restartGateway();
    const key = await fixture.addKey();
    const response = await fixture.chat(key, { x_sim: { promptTokens: 5, completionTokens: 3 } });
    expect(response.status).toBe(200);
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(Math.abs(uuid7Time(event.requestId) - event.admittedAtMs)).toBeLessThan(MINUTE_MS);
    expect(event.completedAtMs).toBeGreaterThanOrEqual(event.admittedAtMs);
    expect(event.completedAtMs).toBeLessThan(event.admittedAtMs + MINUTE_MS);
    // The shift was in force: the gateway's own log shows it.
    const dayOfLog = new Date(event.admittedAtMs - 3 * DAY_MS).toISOString().slice(0, 10);
    await waitUntil(() => fixture.output.includes(`"time":"${dayOfLog}`), { what: 'a line of the log' });
    expect(event.chargeNanoUsd).not.toBe('0');
  });
});
