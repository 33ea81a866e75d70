import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { BATCH_CALLS_MAX } from '@tensorloop/contracts/completed-batch';
import { REQUEST_COMPLETED, REQUEST_COMPLETED_BATCH } from '@tensorloop/contracts/subjects';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GATHER_MS, Shipper, SINGLES_MS } from './shipper.service.js';

const NEVER_BY_ITSELF_MS = 3_600_000;

let published: string[];
let isUp: boolean;
let shipper: Shipper;
const journal = { readCompleted: async (requestId: string) => (requestId === 'not-on-disk' ? null : `event of ${requestId}`) };
let subjects: string[];
const publisher = {
  publishMessage: async ({ subject, data, messageId }: { subject: string; data: Uint8Array; messageId: string }) => {
    if (!isUp) throw new Error('not acknowledged');
    subjects.push(subject);
    published.push(`${messageId}: ${new TextDecoder().decode(data)}`);
  },
};

beforeEach(() => {
  published = [];
  subjects = [];
  isUp = true;
  shipper = new Shipper(journal, 0, NEVER_BY_ITSELF_MS);
});
afterEach(() => shipper.close());

describe('the shipper', () => {
  it('publishes a call at once, under its own id', async () => {
    shipper.connect(publisher);
    shipper.ship('a', 'event of a');
    await shipper.sweep();
    expect(published[0]).toBe('a: event of a');
  });

  it('keeps what NATS did not take, and publishes it from the journal', async () => {
    shipper.ship('a', 'event of a');
    isUp = false;
    shipper.connect(publisher);
    await shipper.sweep();
    expect(published).toEqual([]);
    expect(shipper.backlog).toBe(1);
    isUp = true;
    await shipper.sweep();
    expect(published).toEqual(['a: event of a']);
  });

  it('publishes again what is not acknowledged in time, and nothing that is', async () => {
    shipper.connect(publisher);
    await shipper.sweep();
    shipper.resume('a');
    shipper.resume('b');
    await shipper.sweep();
    shipper.forget('a');
    await new Promise((resolve) => setImmediate(resolve));
    await shipper.sweep();
    expect(published.slice(0, 2)).toEqual(['a: event of a', 'b: event of b']);
    // Under a message id of its own, or the stream would drop it as a duplicate.
    expect(published.slice(2)).toEqual([expect.stringMatching(/^b\.\d+: event of b$/)]);
  });

  it('waits twice as long before every further copy: the stream of a long outage is not filled with them', async () => {
    jest.useFakeTimers();
    const patient = new Shipper(journal, 1_000, 100);
    patient.connect(publisher);
    patient.ship('a', 'event of a');
    const copiesAfter = async (ms: number) => {
      await jest.advanceTimersByTimeAsync(ms);
      return published.length;
    };
    expect(await copiesAfter(900)).toBe(1);
    expect(await copiesAfter(300)).toBe(2);
    expect(await copiesAfter(1_700)).toBe(2);
    expect(await copiesAfter(400)).toBe(3);
    expect(await copiesAfter(60_000)).toBeLessThanOrEqual(8);
    patient.close();
    jest.useRealTimers();
  });

  it('passes over a call whose event is not on the disk yet', async () => {
    shipper.connect(publisher);
    await shipper.sweep();
    shipper.resume('not-on-disk');
    await shipper.sweep();
    expect(published).toEqual([]);
    expect(shipper.backlog).toBe(1);
  });

  it('works off a backlog longer than one batch in one go', async () => {
    const patient = new Shipper(journal, NEVER_BY_ITSELF_MS, NEVER_BY_ITSELF_MS);
    for (let call = 0; call < 4_500; call++) patient.resume(`call-${call}`);
    patient.connect(publisher);
    await patient.sweep();
    for (let turn = 0; published.length < 4_500 && turn < 1_000; turn++) await new Promise((resolve) => setImmediate(resolve));
    patient.close();
    expect(new Set(published).size).toBe(4_500);
    expect(published).toHaveLength(4_500);
  });
});

describe('calls that end at the same time', () => {
  beforeEach(async () => {
    shipper.close();
    shipper = new Shipper(journal, NEVER_BY_ITSELF_MS, NEVER_BY_ITSELF_MS);
    shipper.connect(publisher);
    await shipper.sweep();
  });
  const ship = (...ids: string[]) => {
    for (const id of ids) shipper.ship(id, `event of ${id}`);
  };

  it('go one by one to a metering that has not said that it takes batches, or says so no more', async () => {
    ship('a', 'b');
    shipper.noteTakesBatches(true);
    shipper.noteTakesBatches(false);
    ship('c', 'd');
    expect(subjects).toEqual(Array(4).fill(REQUEST_COMPLETED));
  });

  it('go one by one while only some replicas of metering take batches, and share messages once the others are gone', async () => {
    jest.useFakeTimers();
    const patient = new Shipper(journal, NEVER_BY_ITSELF_MS, NEVER_BY_ITSELF_MS);
    patient.connect(publisher);
    let calls = 0;
    const shipPair = async (afterMs: number) => {
      await jest.advanceTimersByTimeAsync(afterMs);
      for (const id of [++calls, ++calls]) patient.ship(`call-${id}`, 'event');
      await jest.advanceTimersByTimeAsync(GATHER_MS);
    };
    patient.noteTakesBatches(true);
    // What was gathered for a message of its own when the older replica made itself heard leaves singly too.
    patient.ship('a', 'event');
    patient.ship('b', 'event');
    for (const takesBatches of [false, true, true]) {
      patient.noteTakesBatches(takesBatches);
      await shipPair(SINGLES_MS / 3);
    }
    patient.noteTakesBatches(false);
    await shipPair(SINGLES_MS - 1_000);
    patient.noteTakesBatches(true);
    await shipPair(0);
    expect(new Set(subjects)).toEqual(new Set([REQUEST_COMPLETED]));
    await jest.advanceTimersByTimeAsync(1_000);
    patient.noteTakesBatches(true);
    await shipPair(0);
    expect(subjects.slice(-1)).toEqual([REQUEST_COMPLETED_BATCH]);
    patient.close();
    jest.useRealTimers();
  });

  it('share a message, which leaves by itself, and a traced call has one of its own', async () => {
    shipper.noteTakesBatches(true);
    ship('a', 'b');
    shipper.ship('traced', 'event of traced', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
    ship('c');
    await waitUntil(() => published.length === 2);
    expect(published).toEqual(['traced: event of traced', 'a+2: event of a\nevent of b\nevent of c']);
    expect(subjects).toEqual([REQUEST_COMPLETED, REQUEST_COMPLETED_BATCH]);
  });

  it('are in a message as few or as small as it may hold, and a call alone is no batch', async () => {
    shipper.noteTakesBatches(true);
    const ids = Array.from({ length: BATCH_CALLS_MAX + 1 }, (_, at) => `call-${at}`);
    ship(...ids);
    await waitUntil(() => published.length === 2);
    expect(subjects).toEqual([REQUEST_COMPLETED_BATCH, REQUEST_COMPLETED]);
    expect(published[1]).toBe(`${ids.at(-1)}: event of ${ids.at(-1)}`);
  });

  it('leave with a sweep, as before the gateway ends', async () => {
    shipper.noteTakesBatches(true);
    ship('a', 'b');
    await shipper.sweep();
    expect(published).toEqual(['a+1: event of a\nevent of b']);
  });

  it('are published again one by one, be it that the stream did not take them or that metering does not answer', async () => {
    shipper.noteTakesBatches(true);
    isUp = false;
    ship('a', 'b');
    await shipper.sweep();
    isUp = true;
    await waitUntil(async () => {
      await shipper.sweep();
      return published.length >= 2;
    });
    expect(published.slice(0, 2)).toEqual(['a: event of a', 'b: event of b']);
    expect(new Set(subjects)).toEqual(new Set([REQUEST_COMPLETED]));
  });
});
