import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { encodeFrame } from './frame.js';
import { gatewayIdOf, journalIdOf, segmentsFolderOf } from './gateway-id.js';

let folder: string;
beforeEach(() => {
  folder = makeTestFolder('gateway-id');
});
afterEach(() => removeTestFolder(folder));

it('the ids of a journal are made once and stay with its folder', () => {
  const [gatewayId, journalId] = [gatewayIdOf(folder, undefined), journalIdOf(folder)];
  expect([gatewayIdOf(folder, undefined), journalIdOf(folder)]).toEqual([gatewayId, journalId]);
  expect(gatewayIdOf(folder, gatewayId)).toBe(gatewayId);
});

it('another id than the one that holds were placed under is refused', () => {
  const id = gatewayIdOf(folder, 'gateway-a');
  expect(() => gatewayIdOf(folder, 'gateway-b')).toThrow(`belongs to "${id}"`);
});

it('an id that is there and cannot be read is not replaced by another, which would orphan its holds', () => {
  for (const file of ['gateway-id', 'journal-id']) mkdirSync(join(folder, file));
  expect(() => gatewayIdOf(folder, undefined)).toThrow(/EISDIR.*read/);
  expect(() => journalIdOf(folder)).toThrow(/EISDIR.*read/);
});

it('an id whose writing was cut off before its first byte is made anew', () => {
  writeFileSync(join(folder, 'gateway-id'), '');
  expect(gatewayIdOf(folder, 'gateway-a')).toBe('gateway-a');
});

describe('after a crash that took an id, or a part of it', () => {
  const WHOLE = 'gw-0123abcd-4567';
  const write = (text: string) => writeFileSync(join(folder, 'gateway-id'), text);

  /** Two segments, whose newest record that names a gateway is in the first. */
  function leaveRecords(gatewayId: string): void {
    mkdirSync(segmentsFolderOf(folder));
    const records = [
      encodeFrame('accepted', JSON.stringify({ requestId: 'a', gatewayId })),
      encodeFrame('progress', JSON.stringify({ requestId: 'a', usage: {} })),
    ];
    writeFileSync(join(segmentsFolderOf(folder), '000000000001.log'), Buffer.concat(records));
    const torn = encodeFrame('completed', JSON.stringify({ requestId: 'a', gatewayId: 'torn' })).subarray(0, -1);
    const acked = encodeFrame('acked', JSON.stringify({ requestIds: ['b'] }));
    writeFileSync(join(segmentsFolderOf(folder), '000000000002.log'), Buffer.concat([acked, torn]));
  }

  it.each([null, '', 'gw-0123', 'gateway-a'])(
    'the id of its records is taken, so that their acknowledgements are heard: %j is left',
    (left) => {
      leaveRecords(WHOLE);
      if (left !== null) write(left);
      expect(gatewayIdOf(folder, undefined)).toBe(WHOLE);
      expect(gatewayIdOf(folder, WHOLE)).toBe(WHOLE);
    },
  );

  it('another configured id than that of the records is refused', () => {
    leaveRecords(WHOLE);
    expect(() => gatewayIdOf(folder, 'gateway-b')).toThrow(`belongs to "${WHOLE}"`);
  });

  it.each(['gw-0123', 'gateway-'])('the beginning of one is not taken for the whole: %j', (left) => {
    write(left);
    expect(gatewayIdOf(folder, left === 'gw-0123' ? undefined : 'gateway-a')).toMatch(
      /^(gw-[0-9a-f]{8}-[0-9a-f]{4}|gateway-a)$/,
    );
    writeFileSync(join(folder, 'journal-id'), '0123abcd-4567');
    expect(journalIdOf(folder)).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('what was being written beside it is no hindrance and does not stay', () => {
    writeFileSync(join(folder, '.gateway-id.new'), 'gw-');
    const id = gatewayIdOf(folder, undefined);
    expect(gatewayIdOf(folder, undefined)).toBe(id);
    expect(readdirSync(folder)).toEqual(['gateway-id']);
  });
});

it.each([
  ['gw-0123abcd-4567', undefined],
  ['gateway-a', 'gateway-a'],
])('the id %j that an earlier release wrote, without an end, stays', (id, configured) => {
  writeFileSync(join(folder, 'gateway-id'), id);
  expect(gatewayIdOf(folder, configured)).toBe(id);
  expect(readFileSync(join(folder, 'gateway-id'), 'utf8')).toBe(`${id}\n`);
  expect(() => gatewayIdOf(folder, 'gateway-b')).toThrow(`belongs to "${id}"`);
});
