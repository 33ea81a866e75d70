import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { listFailPoints } from '@tensorloop/nest-kit/fail-points';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import type { TestKey } from '../../test/test-keys.js';
import { SECOND_LOOK_MS } from './ownerless-holds.service.js';

const PIECES = 12;
/** Slow enough that the first progress record is on the disk before the point is reached. */
const STREAM = { stream: true, stream_options: { include_usage: true }, x_sim: { completionTokens: PIECES, chunkMs: 100 } };

const ACKNOWLEDGE_AGAIN_MS = 10_000;

let fixture: GatewayFixture;
beforeAll(async () => {
  fixture = await GatewayFixture.start();
});
afterAll(() => fixture?.stop());

async function restart(failPoints?: string): Promise<void> {
  fixture.environment = failPoints === undefined ? {} : { FAIL_POINTS: failPoints };
  await fixture.restartGateway();
}

/** Exchanges the running gateway for one that fails at the point. */
async function arm(failPoints: string): Promise<void> {
  await fixture.gateway.stop('SIGTERM');
  await restart(failPoints);
}

async function died(point: string): Promise<void> {
  const { child } = fixture.gateway;
  await waitUntil(() => child.signalCode === 'SIGKILL', { what: `the death at ${point}` });
  expect(fixture.output).toContain(`"failPoint":"${point}"`);
}

const listOpen = (key: TestKey) => fixture.view.listOpen(key.projection.accountTag);

/** One streamed call, to its end or its gateway's. Returns its id, as Redis knows it, and what the client got. */
async function call(key: TestKey): Promise<{ requestId: string; text: string }> {
  let text = '';
  const reading = (async () => {
    const response = await fixture.chat(key, STREAM);
    const decoder = new TextDecoder();
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true });
  })().catch(() => undefined);
  const [entry] = await waitUntil(async () => ((await listOpen(key)).length > 0 ? listOpen(key) : null), { what: 'the hold' });
  await reading;
  return { requestId: entry?.requestId as string, text };
}

function acknowledge(key: TestKey, event: RequestCompleted): void {
  const scope = `window:${event.keyId}:${event.windowIndex}` as const;
  const totals = [{ scope, totalNanoUsd: event.chargeNanoUsd, version: 1 }];
  fixture.acknowledge({ accountTag: key.projection.accountTag, requestIds: [event.requestId], totals });
}

/** Metering acknowledges: the amount leaves the pending ones for the total, and the journal is empty. */
async function expectBookedOnce(key: TestKey, event: RequestCompleted): Promise<void> {
  acknowledge(key, event);
  await waitUntil(async () => (await listOpen(key)).length === 0, { what: 'no pending amount' });
  await waitUntil(async () => (await fixture.metric('tensorloop_gateway_unacknowledged_calls')) === 0, {
    what: 'no call owed',
  });
  const { scopes } = await fixture.view.inspect(key.projection.accountTag);
  const scope = `window:${event.keyId}:${event.windowIndex}`;
  expect(scopes).toContainEqual(
    expect.objectContaining({ scope, totalNanoUsd: BigInt(event.chargeNanoUsd), heldNanoUsd: 0n, settledNanoUsd: 0n }),
  );
}

/** What metering says may be lost on its way to a gateway that is just back: it is said again, as metering does when it is asked. */
async function expectBookedOnceAsked(key: TestKey, event: RequestCompleted): Promise<void> {
  const again = setInterval(() => acknowledge(key, event), ACKNOWLEDGE_AGAIN_MS);
  await expectBookedOnce(key, event).finally(() => clearInterval(again));
}

/** What must have become of a call whose gateway died at the point in its path, by the charging rule. */
const IN_THE_CALL: Record<string, { passing: number; ending: Partial<RequestCompleted> | null; isDone: boolean }> = {
  // Nobody but Redis heard of it: given back, never charged.
  'gateway.after_admit': { passing: 1, ending: null, isDone: false },
  'gateway.after_accepted': { passing: 1, ending: { outcome: 'gateway_died', chargeNanoUsd: '0', usage: {} }, isDone: false },
  'gateway.mid_stream': { passing: 6, ending: { outcome: 'gateway_died', estimated: true }, isDone: false },
  // Durable: charged in full, although the client never saw the end.
  'gateway.after_completed': { passing: 1, ending: { outcome: 'completed', estimated: false }, isDone: false },
  'gateway.after_publish': { passing: 1, ending: { outcome: 'completed', estimated: false }, isDone: true },
};
const WITH_THE_ACK = ['gateway.before_settle_ack_applied', 'gateway.after_settle_ack_applied'];

it('every fail point of a gateway is tried here', () => {
  expect([...Object.keys(IN_THE_CALL), ...WITH_THE_ACK].toSorted()).toEqual(listFailPoints('gateway').toSorted());
});

describe('a gateway killed', () => {
  it.each(Object.entries(IN_THE_CALL))(
    'at %s settles its call by the charging rule when it is back, once',
    async (point, { passing, ending, isDone }) => {
      await arm(`${point}=kill@${passing}`);
      const key = await fixture.addKey();
      const { requestId, text } = await call(key);
      await died(point);
      if (!isDone) expect(text).not.toContain('[DONE]');
      if (point === 'gateway.after_accepted') expect(text).toBe('');
      await restart();
      if (ending === null) {
        const timeoutMs = SECOND_LOOK_MS * 3;
        await waitUntil(async () => (await listOpen(key)).length === 0, { timeoutMs, what: 'the hold to be given back' });
        return;
      }
      const event = await fixture.eventOf(requestId);
      expect(event).toMatchObject(ending);
      if (event.outcome === 'completed') expect(event.usage.output).toBe(PIECES);
      if (point === 'gateway.mid_stream') {
        expect(event.usage.output).toBeGreaterThan(0);
        expect(event.usage.output).toBeLessThanOrEqual(passing);
        // The prompt is counted from the second record on: until then nobody knows how much of the body is text.
        expect(event.usage.input ?? 0).toBe(0);
      }
      await waitUntil(async () => (await listOpen(key)).every((entry) => entry.state === 'settled'), {
        what: 'a settled call',
      });
      await expectBookedOnceAsked(key, event);
    },
  );

  it.each(WITH_THE_ACK)('at %s still owes the call, and takes the acknowledgement once more', async (point) => {
    await arm(`${point}=kill`);
    const key = await fixture.addKey();
    const { requestId } = await call(key);
    const event = await fixture.eventOf(requestId);
    acknowledge(key, event);
    await died(point);
    await restart();
    await expectBookedOnceAsked(key, event);
  });
});

describe('a gateway in which something fails', () => {
  it.each([...WITH_THE_ACK, 'gateway.after_publish'])('at %s tries it again, and the call is booked once', async (point) => {
    await arm(`${point}=error`);
    const key = await fixture.addKey();
    const { requestId, text } = await call(key);
    expect(text).toContain('[DONE]');
    await expectBookedOnce(key, await fixture.eventOf(requestId));
    expect(fixture.gateway.child.exitCode).toBeNull();
  });
});
