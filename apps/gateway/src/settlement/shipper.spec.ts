import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Shipper } from './shipper.service.js';

const NEVER_BY_ITSELF_MS = 3_600_000;

let published: string[];
let isUp: boolean;
let shipper: Shipper;
const journal = { readCompleted: async (requestId: string) => (requestId === 'not-on-disk' ? null : `event of ${requestId}`) };
const publisher = {
  publishMessage: async ({ data, messageId }: { data: Uint8Array; messageId: string }) => {
    if (!isUp) throw new Error('not acknowledged');
    published.push(`${messageId}: ${new TextDecoder().decode(data)}`);
  },
};

beforeEach(() => {
  published = [];
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
