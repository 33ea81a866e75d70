import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { JournalHome } from './journal-home.service.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tensorloop-home-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a journal folder', () => {
  it('has one owner at a time', () => {
    const home = JournalHome.open(folder, undefined);
    expect(() => JournalHome.open(folder, undefined)).toThrow(/belongs to another running gateway/);
    home.close();
    JournalHome.open(folder, undefined).close();
  });

  it('keeps the gateway id it was given first', () => {
    const home = JournalHome.open(folder, undefined);
    home.close();
    const again = JournalHome.open(folder, undefined);
    again.close();
    expect(again.gatewayId).toBe(home.gatewayId);
    expect(() => JournalHome.open(folder, 'another-gateway')).toThrow(/belongs to/);
  });
});
