import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/transport-node';
import { FENCE_AFTER_MS } from '@tensorloop/contracts/gateway-registry';
import { type GatewaySettled, gatewaySettledSchema } from '@tensorloop/contracts/settle-ack';
import { gatewaySettledSubject } from '@tensorloop/contracts/subjects';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { poll } from '@tensorloop/servers/poll';
import { type NatsLink, openNatsLink } from './connection.js';
import { type Heartbeat, type HeartbeatOptions, listLiveGateways, startHeartbeat } from './heartbeats.js';
import { publishSettled, requestReassert, serveReassert, subscribeSettled } from './settled.js';
import { ensureBuckets } from './streams.js';
import { type PrivateNats, startPrivateNats } from './testing/private-nats.js';

const REQUEST = { v: 1, accountTag: 'abcdEFGH', rebuildId: 'rebuild', runId: 'run' } as const;

describe('messages between metering and gateways', () => {
  let nats: PrivateNats;
  let link: NatsLink;
  let connection: NatsConnection;
  let heartbeats: Heartbeat[];

  beforeAll(async () => {
    nats = await startPrivateNats();
    link = openNatsLink({ url: nats.url, name: 'settled spec' });
    connection = await link.ready;
  });

  afterAll(async () => {
    await link.close();
    await nats.dispose();
  });

  beforeEach(() => {
    heartbeats = [];
  });

  // A heartbeat that a failed test left running would be in the list of every test after it.
  afterEach(async () => {
    await Promise.all(heartbeats.map((heartbeat) => heartbeat.stop()));
    const { gateways } = await ensureBuckets(connection);
    const left = await listLiveGateways(connection, Number.POSITIVE_INFINITY);
    await Promise.all(left.map((beat) => gateways.delete(beat.gatewayId)));
  });

  const beatAs = (gatewayId: string, options: Partial<HeartbeatOptions> = {}): Heartbeat => {
    const heartbeat = startHeartbeat({ connection, gatewayId, intervalMs: 20, ...options });
    heartbeats.push(heartbeat);
    return heartbeat;
  };
  const untilBeating = (heartbeat: Heartbeat) =>
    poll(async () => heartbeat.lastBeatAtMs > 0, { timeoutMs: 20_000, failure: 'no beat' });

  it('settle-acks reach the gateway they are for, and malformed ones are reported and dropped', async () => {
    const settled: GatewaySettled = { v: 1, accounts: [{ accountTag: 'abcdEFGH', requestIds: [uuid7()], totals: [] }] };
    const received: Record<string, GatewaySettled[]> = { one: [], two: [] };
    const problems: string[] = [];
    const subscriptions = Object.keys(received).map((gatewayId) =>
      subscribeSettled(connection, gatewayId, {
        onSettled: (message) => received[gatewayId]?.push(message),
        onProblem: (_error, subject) => problems.push(subject),
      }),
    );
    await connection.flush();
    connection.publish(gatewaySettledSubject('one'), '{"v":2}');
    publishSettled(connection, 'one', settled);
    await poll(async () => received.one?.length === 1, { timeoutMs: 20_000, failure: 'not received' });
    expect(received).toEqual({ one: [gatewaySettledSchema.parse(settled)], two: [] });
    expect(problems).toEqual([gatewaySettledSubject('one')]);
    for (const subscription of subscriptions) subscription.unsubscribe();
  });

  it('a reassert is answered by each gateway once, without waiting for the deadline when all have replied', async () => {
    const serve = (gatewayId: string) =>
      serveReassert(connection, { onRequest: async () => ({ v: 1, gatewayId, asserted: 3 }), onProblem: () => {} });
    const subscriptions = ['one', 'two'].map(serve);
    await connection.flush();
    const replies = await requestReassert(connection, REQUEST, { repliesMax: 2, timeoutMs: 60_000 });
    expect(replies.map((reply) => reply.gatewayId).sort()).toEqual(['one', 'two']);
    for (const subscription of subscriptions) subscription.unsubscribe();
  });

  it('a gateway that failed to reassert is not among the replies', async () => {
    const problems: unknown[] = [];
    const good = serveReassert(connection, {
      onRequest: async () => ({ v: 1, gatewayId: 'good', asserted: 0 }),
      onProblem: () => {},
    });
    const bad = serveReassert(connection, {
      onRequest: () => Promise.reject(new Error('Redis is gone')),
      onProblem: (error) => problems.push(error),
    });
    await connection.flush();
    const replies = await requestReassert(connection, REQUEST, { repliesMax: 2, timeoutMs: 300 });
    expect(replies.map((reply) => reply.gatewayId)).toEqual(['good']);
    expect(problems).toHaveLength(1);
    good.unsubscribe();
    bad.unsubscribe();
  });

  it('a reassert that nobody can answer ends at once', async () => {
    expect(await requestReassert(connection, REQUEST, { repliesMax: 1, timeoutMs: 60_000 })).toEqual([]);
  });

  it('a gateway is live while it beats, fenced once silent for too long, and gone when it leaves', async () => {
    const heartbeat = beatAs('beating');
    await untilBeating(heartbeat);
    const live = await listLiveGateways(connection);
    expect(live.map((beat) => beat.gatewayId)).toEqual(['beating']);
    await heartbeat.stop();
    const liveOf = (fenceAfterMs: number) => listLiveGateways(connection, fenceAfterMs);
    await poll(async () => (await liveOf(50)).length === 0, { timeoutMs: 20_000, failure: 'not fenced' });
    expect(await liveOf(FENCE_AFTER_MS)).toHaveLength(1);
    await heartbeat.leave();
    expect(await listLiveGateways(connection)).toEqual([]);
  });

  it('nobody is left out of the list while others beat', async () => {
    await untilBeating(beatAs('quiet', { intervalMs: 60_000 }));
    const { gateways } = await ensureBuckets(connection);
    let isOver = false;
    const beatOn = async (gatewayId: string) => {
      while (!isOver) await gateways.put(gatewayId, JSON.stringify({ v: 1, gatewayId, startedAtMs: 0, beatAtMs: 0 }));
    };
    const busy = ['busy', 'busier'];
    for (const gatewayId of busy) await gateways.put(gatewayId, '{}');
    const beating = [...busy, ...busy].map(beatOn);
    try {
      for (let look = 0; look < 200; look++) {
        const live = await listLiveGateways(connection);
        expect(live.map((beat) => beat.gatewayId).sort()).toEqual(['busier', 'busy', 'quiet']);
      }
    } finally {
      isOver = true;
      await Promise.all(beating);
    }
  });

  it('neither a reader whose clock is ahead fences a gateway that beats, nor does one whose clock is behind keep one alive', async () => {
    const heartbeat = beatAs('beating');
    await untilBeating(heartbeat);
    await heartbeat.stop();
    const clock = jest.spyOn(Date, 'now');
    try {
      clock.mockReturnValue(performance.timeOrigin + performance.now() + 2 * FENCE_AFTER_MS);
      expect(await listLiveGateways(connection)).toHaveLength(1);
      clock.mockReturnValue(performance.timeOrigin + performance.now() - 2 * FENCE_AFTER_MS);
      await poll(async () => (await listLiveGateways(connection, 50)).length === 0, {
        timeoutMs: 20_000,
        failure: 'not fenced',
      });
    } finally {
      clock.mockRestore();
    }
  });

  it.each([-2 * FENCE_AFTER_MS, 2 * FENCE_AFTER_MS])(
    'a gateway whose clock is off by %i ms lives while it beats, and is fenced when it does not',
    async (skewMs) => {
      const heartbeat = beatAs('skewed', { clock: () => Date.now() + skewMs });
      await untilBeating(heartbeat);
      expect(await listLiveGateways(connection)).toHaveLength(1);
      await heartbeat.stop();
      const isFenced = async () => (await listLiveGateways(connection, 50)).length === 0;
      await poll(isFenced, { timeoutMs: 20_000, failure: 'not fenced' });
    },
  );

  describe('a gateway id', () => {
    let taken: string[];
    beforeEach(() => {
      taken = [];
    });

    const claimAs = (name: string, options: Partial<HeartbeatOptions>): Heartbeat =>
      beatAs('shared', { onTaken: () => taken.push(name), ...options });
    const untilTaken = () => poll(async () => taken.length > 0, { timeoutMs: 20_000, failure: 'nobody was refused' });

    it('that a live gateway has is refused to another with another journal, which never beats', async () => {
      const first = claimAs('first', { journalId: 'one' });
      await untilBeating(first);
      const second = claimAs('second', { journalId: 'two' });
      await untilTaken();
      expect(taken).toEqual(['second']);
      expect(second.lastBeatAtMs).toBe(0);
      const beatAtMs = first.lastBeatAtMs;
      await poll(async () => first.lastBeatAtMs > beatAtMs, { timeoutMs: 20_000, failure: 'the first beats no more' });
      await second.leave();
      expect(await listLiveGateways(connection)).toHaveLength(1);
    });

    it('goes over to the next process on the same journal at once, as after kill -9', async () => {
      const first = claimAs('first', { journalId: 'one' });
      await untilBeating(first);
      await first.stop();
      await untilBeating(claimAs('second', { journalId: 'one' }));
      expect(taken).toEqual([]);
    });

    it('stays with the later process where a journal was copied', async () => {
      await untilBeating(claimAs('original', { journalId: 'one', intervalMs: 60_000 }));
      const startedAtMs = Date.now();
      await poll(async () => Date.now() > startedAtMs, { timeoutMs: 1_000, failure: 'the clock stands still' });
      await untilBeating(claimAs('copy', { journalId: 'one' }));
      heartbeats[0]?.beat();
      await untilTaken();
      expect(taken).toEqual(['original']);
    });

    it.each([-5_000, 5_000])(
      'stays with one of two where a journal was copied to a machine whose clock is off by %i ms',
      async (skewMs) => {
        const original = claimAs('original', { journalId: 'one' });
        await untilBeating(original);
        const copy = claimAs('copy', { journalId: 'one', clock: () => Date.now() + skewMs });
        await untilTaken();
        const survivor = taken[0] === 'original' ? copy : original;
        const beatAtMs = survivor.lastBeatAtMs;
        const isBeating = async () => survivor.lastBeatAtMs > beatAtMs;
        await poll(isBeating, { timeoutMs: 20_000, failure: 'nobody beats any more' });
        expect(taken).toHaveLength(1);
      },
    );

    it('is kept after its entry was lost', async () => {
      const only = claimAs('only', { journalId: 'one' });
      await untilBeating(only);
      const { gateways } = await ensureBuckets(connection);
      await gateways.purge('shared');
      await poll(async () => (await listLiveGateways(connection)).length === 1, { timeoutMs: 20_000, failure: 'no beat' });
      expect(taken).toEqual([]);
    });

    it('of a gateway of an earlier release is taken over', async () => {
      const { gateways } = await ensureBuckets(connection);
      const beat = { v: 1, gatewayId: 'shared', startedAtMs: Date.now() - 1_000, beatAtMs: Date.now() };
      await gateways.put('shared', JSON.stringify(beat));
      await untilBeating(claimAs('newer', { journalId: 'one' }));
      expect(taken).toEqual([]);
    });
  });

  it('a beat that only a later release can read keeps its gateway alive', async () => {
    const { gateways } = await ensureBuckets(connection);
    await gateways.put('newer', JSON.stringify({ v: 2, id: 'newer' }));
    await gateways.put('strange', 'no JSON');
    const live = await listLiveGateways(connection);
    expect(live.map((beat) => beat.gatewayId).sort()).toEqual(['newer', 'strange']);
  });
});
