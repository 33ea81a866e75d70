import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { SNAPSHOTS_BUCKET } from '@tensorloop/contracts/subjects';
import { poll } from '@tensorloop/servers/poll';
import { z } from 'zod';
import { type NatsLink, openNatsLink } from './connection.js';
import { readSnapshot, type Snapshot, type SnapshotWatch, watchSnapshot, writeSnapshot } from './snapshots.js';
import { ensureBuckets } from './streams.js';
import { type PrivateNats, startPrivateNats } from './testing/private-nats.js';

const schema = z.object({ revision: z.number() });

describe('a snapshot', () => {
  let nats: PrivateNats;
  let link: NatsLink;
  let connection: NatsConnection;
  let bucket: KV;
  let watch: SnapshotWatch<typeof schema> | undefined;
  let seen: Snapshot<{ revision: number }>[] = [];
  let problems: unknown[] = [];

  beforeAll(async () => {
    nats = await startPrivateNats();
    link = openNatsLink({ url: nats.url, name: 'snapshots spec' });
    connection = await link.ready;
    bucket = (await ensureBuckets(connection)).snapshots;
  });

  afterEach(async () => {
    await watch?.stop();
  });

  afterAll(async () => {
    await link.close();
    await nats.dispose();
  });

  const follow = (key: string) => {
    seen = [];
    problems = [];
    watch = watchSnapshot({
      connection,
      bucket: SNAPSHOTS_BUCKET,
      key,
      schema,
      onValue: (snapshot) => seen.push(snapshot),
      onProblem: (error) => problems.push(error),
      refreshMs: 500,
    });
  };
  const untilSeen = (revision: number) =>
    poll(async () => seen.at(-1)?.value.revision === revision, {
      timeoutMs: 20_000,
      failure: `revision ${revision} was not seen`,
    });
  const write = (key: string, revision: number) => writeSnapshot(bucket, key, { schema, value: { revision } });

  it('is seen as it stands and at each change', async () => {
    await write('book', 1);
    follow('book');
    await untilSeen(1);
    await write('book', 2);
    await untilSeen(2);
    expect(seen.map((snapshot) => snapshot.value.revision)).toEqual([1, 2]);
    expect(await readSnapshot(bucket, 'book', schema)).toEqual(seen.at(-1));
    expect(await readSnapshot(bucket, 'none', schema)).toBeNull();
  });

  it('keeps its last good value when something invalid is written, and says so', async () => {
    await write('guarded', 1);
    follow('guarded');
    await untilSeen(1);
    await bucket.put('guarded', 'not json');
    await bucket.put('guarded', '{"revision":"two"}');
    await poll(async () => problems.length === 2, { timeoutMs: 20_000, failure: 'no problem was reported' });
    expect(seen).toHaveLength(1);
    await write('guarded', 3);
    await untilSeen(3);
  });

  it('is refused at the writer when it does not fit its schema', async () => {
    await expect(writeSnapshot(bucket, 'bad', { schema, value: { revision: 'x' as unknown as number } })).rejects.toThrow();
    expect(await readSnapshot(bucket, 'bad', schema)).toBeNull();
  });

  it('is followed through a killed and restarted server', async () => {
    await write('restart', 1);
    follow('restart');
    await untilSeen(1);
    await nats.server.kill();
    await nats.server.restart();
    await poll(async () => link.isConnected, { timeoutMs: 20_000, failure: 'not reconnected' });
    await poll(async () => write('restart', 2).then(() => true), { timeoutMs: 20_000, failure: 'not written' });
    await untilSeen(2);
  });

  it('is followed when its bucket is deleted and made anew', async () => {
    await write('anew', 1);
    follow('anew');
    await untilSeen(1);
    await (await jetstreamManager(connection)).streams.delete(`KV_${SNAPSHOTS_BUCKET}`);
    bucket = await new Kvm(jetstream(connection)).create(SNAPSHOTS_BUCKET);
    await write('anew', 7);
    await untilSeen(7);
    expect(seen.map((snapshot) => snapshot.value.revision)).toEqual([1, 7]);
  });
});
