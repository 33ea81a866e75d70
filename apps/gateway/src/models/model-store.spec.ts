import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { testModel } from '../../test/test-models.js';
import { ModelStore } from './model-store.service.js';
import { SnapshotCache } from './snapshot-cache.js';

let folder: string;
let problems: unknown[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tensorloop-models-'));
  problems = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(): ModelStore {
  return new ModelStore(new SnapshotCache(folder, (error) => problems.push(error)));
}

const model = testModel('m', 'http://127.0.0.1:1');
const older = { id: uuid7(), model: 'm', effectiveFromMs: 0, effectiveToMs: 1_000, rates: { input: '1' } };
const newer = { id: uuid7(), model: 'm', effectiveFromMs: 1_000, effectiveToMs: null, rates: { input: '2' } };

describe('models and prices', () => {
  it('are not ready before both have arrived', () => {
    const store = open();
    expect(store.isReady).toBe(false);
    store.setCatalogue({ v: 1, revision: 1, models: [model] });
    expect(store.isReady).toBe(false);
    store.setPriceBook({ v: 1, revision: 1, prices: [older, newer] });
    expect(store.isReady).toBe(true);
  });

  it('are there after a start without NATS', () => {
    const store = open();
    store.setCatalogue({ v: 1, revision: 1, models: [model] });
    store.setPriceBook({ v: 1, revision: 1, prices: [older, newer] });
    const later = open();
    expect(later.isReady).toBe(true);
    expect(later.findModel('m')).toEqual(model);
    expect(later.findPrice('m', 999)).toEqual(older);
    expect(later.findPrice('m', 1_000)).toEqual(newer);
    expect(later.findPrice('unpriced', 1_000)).toBeNull();
  });

  it('on a damaged disk are as if they had never arrived', () => {
    open().setCatalogue({ v: 1, revision: 1, models: [model] });
    writeFileSync(join(folder, 'model-catalogue.json'), '{"v":1,"mod');
    expect(open().findModel('m')).toBeNull();
  });

  it('stay in force when the disk cannot keep them', () => {
    const store = open();
    rmSync(folder, { recursive: true });
    store.setCatalogue({ v: 1, revision: 1, models: [model] });
    expect(store.findModel('m')).toEqual(model);
    expect(problems).toHaveLength(1);
  });
});
