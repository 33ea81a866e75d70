import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { AdmissionView } from '@tensorloop/admission/admission-view';
import { RecentAdmissions } from '@tensorloop/admission/recent-admissions';
import { hotPathRedisOptions } from '@tensorloop/admission/redis-options';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { startTestRedis, TEST_REDIS_CALL_MS, type TestServer } from '@tensorloop/testing/servers';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Redis } from 'ioredis';
import { InFlight } from '../admission/in-flight.service.js';
import { RedisClock } from '../admission/redis-clock.service.js';
import { Journal } from '../journal/journal.service.js';
import type { JournalEntry } from '../journal/journal.types.js';
import { SegmentFiles } from '../journal/segment-files.js';
import { closeCall } from '../settlement/closing.js';
import { RedisWrites } from '../settlement/redis-writes.service.js';
import { EpochRecovery, type GatewayRegistry } from './epoch-recovery.service.js';
import { Reassertions } from './reassertions.service.js';

/** A gateway's part in a rebuild, on a connection of its own. */
class Peer {
  readonly redis: Redis;
  readonly admission: AdmissionClient;
  readonly journal: Journal;
  readonly inFlight = new InFlight();
  readonly recovery: EpochRecovery;
  readonly reassertions: Reassertions;
  readonly writes: RedisWrites;
  readonly problems: unknown[] = [];

  constructor(
    readonly gatewayId: string,
    redisUrl: string,
    registry: GatewayRegistry,
  ) {
    this.redis = new Redis(redisUrl, hotPathRedisOptions);
    this.redis.on('error', () => undefined);
    this.admission = new AdmissionClient(this.redis, undefined, TEST_REDIS_CALL_MS);
    this.journal = new Journal(new SegmentFiles(`${folder}/${gatewayId}`));
    this.recovery = new EpochRecovery({
      gatewayId,
      admission: this.admission,
      journal: this.journal,
      inFlight: this.inFlight,
      recent: new RecentAdmissions(),
      clock: new RedisClock(),
      registry,
      onProblem: (error) => this.problems.push(error),
    });
    const onProblem = (error: unknown) => this.problems.push(error);
    this.reassertions = new Reassertions({ epochs: this.recovery, journal: this.journal, onProblem, againMs: 50 });
    this.writes = new RedisWrites(this.admission);
    this.writes.watchMissing((accountTag, requestId) => this.reassertions.missing(accountTag, requestId));
  }

  /** A call in the journal: held, or ended at `chargeTokens` output tokens of 600 nano-USD. */
  async journalCall(accountTag: string, chargeTokens: number | null): Promise<string> {
    const day = new Date().toISOString().slice(0, 10);
    const accepted = {
      requestId: uuid7(),
      accountId: uuid7(),
      accountTag,
      keyId: uuid7(),
      model: 'gpt-4o-mini',
      endpoint: 'chat.completions' as const,
      gatewayId: this.gatewayId,
      stream: false,
      admittedAtMs: Date.now(),
      windowIndex: 0,
      windowStartMs: Date.now() - 1_000,
      day,
      priceVersionId: uuid7(),
      holdNanoUsd: '600000',
      promptBytes: 10,
      price: {
        id: uuid7(),
        model: 'gpt-4o-mini',
        effectiveFromMs: 0,
        effectiveToMs: null,
        rates: { input: '0.15', output: '0.60' },
      },
    };
    await this.journal.accept(accepted);
    if (chargeTokens === null) return accepted.requestId;
    return this.endCall(accepted.requestId, chargeTokens);
  }

  async endCall(requestId: string, chargeTokens: number): Promise<string> {
    const { accepted } = this.journal.entries.get(requestId) as JournalEntry;
    const event = closeCall(accepted, {
      outcome: 'completed',
      usage: { output: chargeTokens },
      estimated: false,
      httpStatus: 200,
      completedAtMs: Date.now(),
      latencyMs: 1,
      firstByteMs: 1,
      attempts: [],
    });
    await this.journal.complete(event, JSON.stringify(event));
    return event.requestId;
  }

  async stop(): Promise<void> {
    this.reassertions.stop();
    await this.writes.close();
    this.redis.disconnect();
    await this.journal.close();
  }
}

let folder: string;
let server: TestServer;
let peers: Peer[];
let live: string[];
let silent: Set<string>;

/** Asks the peers of this process directly, where a gateway would ask over NATS. */
const registry: GatewayRegistry = {
  listLive: async () => live,
  requestReassert: async (request) => {
    const asked = peers.filter((peer) => !silent.has(peer.gatewayId));
    const replies = await Promise.allSettled(asked.map((peer) => peer.recovery.reassert(request)));
    return replies.flatMap((reply) => (reply.status === 'fulfilled' ? [reply.value] : []));
  },
};

beforeAll(async () => {
  server = await startTestRedis();
});
afterAll(() => server.stop());

beforeEach(async () => {
  folder = makeTestFolder('epoch');
  live = ['gw-a', 'gw-b'];
  silent = new Set();
  peers = live.map((gatewayId) => new Peer(gatewayId, server.url, registry));
  await waitUntil(() => peers.every((peer) => peer.admission.runId !== null));
});
afterEach(async () => {
  await Promise.all(peers.map((peer) => peer.stop()));
  removeTestFolder(folder);
});

function peer(index: number): Peer {
  return peers[index] as Peer;
}

describe('the rebuild of an account', () => {
  it('brings back what every live gateway has unacknowledged, and only then opens', async () => {
    const accountTag = newAccountTag();
    await peer(0).journalCall(accountTag, null);
    await peer(0).journalCall(accountTag, 10);
    await peer(1).journalCall(accountTag, 20);
    await peer(1).journalCall(newAccountTag(), 99);
    expect(await peer(0).recovery.rebuild(accountTag)).toBe(true);
    const open = await new AdmissionView(peer(0).redis).listOpen(accountTag);
    const amounts = open.map((entry) => `${entry.gatewayId} ${entry.state} ${entry.amountNanoUsd}`).sort();
    expect(amounts).toEqual(['gw-a held 600000', 'gw-a settled 6000', 'gw-b settled 12000']);
  });

  it('leaves out what metering has committed, although its acknowledgement has not reached Redis', async () => {
    const accountTag = newAccountTag();
    const committed = await peer(0).journalCall(accountTag, 10);
    peer(0).journal.noteCommitted([committed]);
    expect(await peer(0).recovery.rebuild(accountTag)).toBe(true);
    expect(await new AdmissionView(peer(0).redis).listOpen(accountTag)).toEqual([]);
  });

  it('does not open while a live gateway is silent', async () => {
    silent.add('gw-b');
    const accountTag = newAccountTag();
    expect(await peer(0).recovery.rebuild(accountTag)).toBe(false);
    silent.clear();
    expect(await peer(0).recovery.rebuild(accountTag)).toBe(true);
  });

  it('is not held up by a gateway that is fenced', async () => {
    silent.add('gw-b');
    live = ['gw-a'];
    expect(await peer(0).recovery.rebuild(newAccountTag())).toBe(true);
  });

  it('by two gateways at once is one rebuild', async () => {
    const accountTag = newAccountTag();
    await peer(0).journalCall(accountTag, 10);
    await peer(1).journalCall(accountTag, null);
    expect(await Promise.all([peer(0).recovery.rebuild(accountTag), peer(1).recovery.rebuild(accountTag)])).toEqual([
      true,
      true,
    ]);
    expect(await new AdmissionView(peer(0).redis).listOpen(accountTag)).toHaveLength(2);
  });

  it('waits for admissions whose answer is on its way', async () => {
    const accountTag = newAccountTag();
    peer(0).inFlight.enter(accountTag);
    const rebuilding = peer(0).recovery.rebuild(accountTag);
    await peer(0).journalCall(accountTag, null);
    peer(0).inFlight.leave(accountTag);
    expect(await rebuilding).toBe(true);
    expect(await new AdmissionView(peer(0).redis).listOpen(accountTag)).toHaveLength(1);
  });

  it('fails closed when nobody can say which gateways are alive', async () => {
    const lone = new Peer('gw-c', server.url, { ...registry, listLive: () => Promise.reject(new Error('no NATS')) });
    await waitUntil(() => lone.admission.runId !== null);
    expect(await lone.recovery.rebuild(newAccountTag())).toBe(false);
    expect(lone.problems).toHaveLength(1);
    await lone.stop();
  });
});

describe('a gateway that was fenced while others opened the epoch', () => {
  const openOf = async (accountTag: string) =>
    (await new AdmissionView(peer(0).redis).listOpen(accountTag))
      .map((entry) => `${entry.gatewayId} ${entry.state} ${entry.amountNanoUsd}`)
      .sort();

  async function openWithoutB(): Promise<{ accountTag: string; held: string }> {
    const accountTag = newAccountTag();
    const held = await peer(1).journalCall(accountTag, null);
    await peer(1).journalCall(accountTag, 20);
    live = ['gw-a'];
    silent.add('gw-b');
    expect(await peer(0).recovery.rebuild(accountTag)).toBe(true);
    expect(await openOf(accountTag)).toEqual([]);
    return { accountTag, held };
  }

  it('brings back what it holds and has settled, once, however often it does so', async () => {
    const { accountTag } = await openWithoutB();
    await peer(1).reassertions.all();
    await peer(1).reassertions.all();
    expect(await openOf(accountTag)).toEqual(['gw-b held 600000', 'gw-b settled 12000']);
  });

  it('does so at a connection to another Redis process, and not at every connection', async () => {
    const { accountTag } = await openWithoutB();
    peer(1).reassertions.redisIsReady('another process');
    await waitUntil(async () => (await openOf(accountTag)).length === 2);
    await peer(1).reassertions.all();
    const asked = jest.spyOn(peer(1).recovery, 'reassertOpen');
    peer(1).reassertions.redisIsReady('another process');
    expect(asked).not.toHaveBeenCalled();
  });

  it('looks again at an account whose rebuild was under way without it', async () => {
    const accountTag = newAccountTag();
    await peer(1).journalCall(accountTag, 20);
    const rebuildId = (await peer(0).admission.beginRebuild(accountTag, 'without-b')) as string;
    const reassertOpen = jest.spyOn(peer(1).recovery, 'reassertOpen');
    const reasserting = peer(1).reassertions.all();
    await waitUntil(() => reassertOpen.mock.calls.length > 0);
    expect(await reassertOpen.mock.results[0]?.value).toBe(false);
    await peer(0).admission.openEpoch({ accountTag, rebuildId, expectedGatewayIds: [] });
    await reasserting;
    expect(await openOf(accountTag)).toEqual(['gw-b settled 12000']);
  });

  it('brings a call back when Redis does not know the one it settles', async () => {
    const { accountTag, held } = await openWithoutB();
    await peer(1).endCall(held, 30);
    await peer(1).writes.settle(accountTag, held, 18_000n);
    await waitUntil(async () => (await openOf(accountTag)).length === 2);
    expect(await openOf(accountTag)).toEqual(['gw-b settled 12000', 'gw-b settled 18000']);
  });

  it('leaves alone what metering has committed', async () => {
    const { accountTag, held } = await openWithoutB();
    await peer(1).endCall(held, 30);
    peer(1).journal.noteCommitted([held]);
    const asked = jest.spyOn(peer(1).recovery, 'reassertOpen');
    await peer(1).writes.settle(accountTag, held, 18_000n);
    expect(asked).not.toHaveBeenCalled();
  });
});
