import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { gatewayIdOf, journalIdOf } from './gateway-id.js';

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
