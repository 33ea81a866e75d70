import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import fc from 'fast-check';
import { closeCall } from '../settlement/closing.js';
import { Journal } from './journal.service.js';
import type { AcceptedRecord } from './journal.types.js';
import { SegmentFiles } from './segment-files.js';

const SMALL_SEGMENT_BYTES = 4_096;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tensorloop-journal-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(segmentBytes = SMALL_SEGMENT_BYTES): Journal {
  return new Journal(new SegmentFiles(folder), { segmentBytes });
}

function accepted(change: Partial<AcceptedRecord> = {}): AcceptedRecord {
  return {
    requestId: uuid7(),
    accountId: uuid7(),
    accountTag: 'account1',
    keyId: uuid7(),
    model: 'gpt-4o-mini',
    endpoint: 'chat.completions',
    gatewayId: 'gw-1',
    stream: true,
    admittedAtMs: 1_795_000_000_000,
    windowIndex: 0,
    windowStartMs: 1_795_000_000_000,
    day: '2026-11-18',
    priceVersionId: uuid7(),
    holdNanoUsd: '1000000',
    promptBytes: 120,
    price: {
      id: uuid7(),
      model: 'gpt-4o-mini',
      effectiveFromMs: 0,
      effectiveToMs: null,
      rates: { input: '0.15', output: '0.60' },
    },
    ...change,
  };
}

function ended(record: AcceptedRecord): RequestCompleted {
  return closeCall(record, {
    outcome: 'completed',
    usage: { input: 10, output: 20 },
    estimated: false,
    httpStatus: 200,
    completedAtMs: record.admittedAtMs + 5,
    latencyMs: 5,
    firstByteMs: 1,
    attempts: [],
  });
}

async function runCall(journal: Journal, record = accepted()): Promise<string> {
  await journal.accept(record);
  const event = ended(record);
  await journal.complete(event, JSON.stringify(event));
  return record.requestId;
}

describe('a journal opened again', () => {
  it('knows the calls that had begun, with their last progress', async () => {
    const record = accepted();
    const first = open();
    await first.accept(record);
    first.progress(record.requestId, { output: 7 });
    first.progress(record.requestId, { input: 3, output: 9 });
    await first.flush();
    await first.close();
    expect([...open().entries.values()]).toMatchObject([
      { accepted: record, progress: { input: 3, output: 9 }, completed: null },
    ]);
  });

  it('gives an ended call its event back, byte for byte', async () => {
    const record = accepted();
    const first = open();
    const requestId = await runCall(first, record);
    await first.close();
    const second = open();
    expect(await second.readCompleted(requestId)).toBe(JSON.stringify(ended(record)));
    expect(second.entries.get(requestId)?.completed?.chargeNanoUsd).toBe(ended(record).chargeNanoUsd);
    await second.close();
  });

  it('has forgotten the calls that metering acknowledged', async () => {
    const first = open();
    const requestId = await runCall(first);
    const other = await runCall(first);
    first.acknowledge([requestId]);
    await first.close();
    expect([...open().entries.keys()]).toEqual([other]);
  });

  it('lists the unacknowledged calls of one account only', async () => {
    const first = open();
    const mine = await runCall(first, accepted({ accountTag: 'account1' }));
    await runCall(first, accepted({ accountTag: 'account2' }));
    await first.close();
    expect(
      open()
        .listOfAccount('account1')
        .map((entry) => entry.accepted.requestId),
    ).toEqual([mine]);
  });

  it('ignores a torn tail and reads the segments after it', async () => {
    const first = open();
    const early = await runCall(first);
    await first.close();
    const second = open();
    const late = await runCall(second);
    await second.close();
    const [oldest] = readdirSync(folder).sort();
    appendFileSync(join(folder, oldest as string), Buffer.from([1, 2, 3, 4, 5]));
    expect([...open().entries.keys()]).toEqual([early, late]);
  });
});

describe('segments', () => {
  it('go once every call in them is acknowledged, oldest first', async () => {
    const journal = open();
    const ids: string[] = [];
    for (let call = 0; call < 12; call++) ids.push(await runCall(journal));
    const before = readdirSync(folder).length;
    expect(before).toBeGreaterThan(2);
    journal.acknowledge(ids.slice(6));
    await journal.flush();
    expect(readdirSync(folder).sort()[0]).toBe('000000000001.log');
    journal.acknowledge(ids.slice(0, 6));
    expect(journal.entries.size).toBe(0);
    await journal.close();
    // At most the segment that is written to, and the one made for after it.
    expect(readdirSync(folder).length).toBeLessThanOrEqual(2);
  });

  it('stay while one call in them is still open', async () => {
    const journal = open();
    const openCall = accepted();
    await journal.accept(openCall);
    for (let call = 0; call < 8; call++) journal.acknowledge([await runCall(journal)]);
    await journal.flush();
    expect(readdirSync(folder)).toContain('000000000001.log');
    await journal.close();
    expect([...open().entries.keys()]).toEqual([openCall.requestId]);
  });

  it('count towards the size of the journal', async () => {
    const journal = open();
    for (let call = 0; call < 6; call++) await runCall(journal);
    const onDisk = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    expect(journal.diskBytes).toBe(onDisk);
    await journal.close();
  });
});

describe('a crash', () => {
  it('at any byte leaves a journal from which every durable record is recovered', async () => {
    const record = accepted();
    const journal = open(1_000_000);
    await journal.accept(record);
    const acceptedEnd = statSync(join(folder, '000000000001.log')).size;
    journal.progress(record.requestId, { output: 5 });
    await journal.flush();
    const progressEnd = statSync(join(folder, '000000000001.log')).size;
    const event = ended(record);
    await journal.complete(event, JSON.stringify(event));
    await journal.close();
    const path = join(folder, '000000000001.log');
    const whole = readFileSync(path);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: whole.length }), (cut) => {
        writeFileSync(path, whole.subarray(0, cut));
        const entry = open().entries.get(record.requestId);
        expect(entry !== undefined).toBe(cut >= acceptedEnd);
        if (entry === undefined) return;
        expect(entry.progress).toEqual(cut >= progressEnd ? { output: 5 } : null);
        expect(entry.completed !== null).toBe(cut === whole.length);
      }),
    );
  });

  it('before an acknowledgement reached the disk only repeats calls', async () => {
    const journal = open();
    const requestId = await runCall(journal);
    journal.acknowledge([requestId]);
    expect([...open().entries.keys()]).toEqual([requestId]);
    await journal.close();
  });
});

describe('an acknowledgement', () => {
  it('of a call that is still open changes nothing', async () => {
    const journal = open();
    const record = accepted();
    await journal.accept(record);
    expect(journal.acknowledge([record.requestId, uuid7()])).toEqual([]);
    expect(journal.entries.has(record.requestId)).toBe(true);
    await journal.close();
  });
});

describe('a second end of the same call', () => {
  it('is refused: a call is charged once', async () => {
    const journal = open();
    const record = accepted();
    await runCall(journal, record);
    const event = ended(record);
    expect(() => journal.complete(event, JSON.stringify(event))).toThrow(/not open/);
    await journal.close();
  });
});
