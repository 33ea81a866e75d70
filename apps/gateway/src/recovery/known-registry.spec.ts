import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FENCE_AFTER_MS } from '@tensorloop/contracts/gateway-registry';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { KnownRegistry, OUTAGE_MS_MAX, RETURN_MS, RegistryLostError } from './known-registry.js';

const FIRST = '2026-01-01T00:00:00.000000001Z';
const SECOND = '2026-01-02T00:00:00.000000001Z';

let folder: string;
beforeEach(() => {
  folder = makeTestFolder('known-registry');
});
afterEach(() => removeTestFolder(folder));

describe('the list of gateways that NATS keeps', () => {
  it('is trusted at once when it is the first that this gateway sees', () => {
    const known = new KnownRegistry(folder);
    expect(() => known.check({ bornAt: FIRST, ageMs: 0 })).not.toThrow();
  });

  it('is not trusted while it is younger than what fences a gateway, when another was known before: a gateway that is down is missing from it', () => {
    new KnownRegistry(folder).remember({ bornAt: FIRST, ageMs: 0 });
    // After a restart as well: what was known lies beside the journal.
    const known = new KnownRegistry(folder);
    expect(() => known.check({ bornAt: SECOND, ageMs: FENCE_AFTER_MS - 1 })).toThrow(RegistryLostError);
    expect(() => known.check({ bornAt: FIRST, ageMs: 0 })).not.toThrow();
  });

  it('is trusted again once whoever is alive must be on it, and from then on is the known one', () => {
    const known = new KnownRegistry(folder);
    known.remember({ bornAt: FIRST, ageMs: 0 });
    known.check({ bornAt: SECOND, ageMs: FENCE_AFTER_MS });
    expect(() => known.check({ bornAt: SECOND, ageMs: 0 })).not.toThrow();
  });

  it('is not trusted after an outage before others had the time to beat again: whoever is back first would be alone on it', () => {
    let nowMs = 0;
    const known = new KnownRegistry(folder, () => nowMs);
    const state = { bornAt: FIRST, ageMs: 10 * FENCE_AFTER_MS };
    known.remember(state);
    nowMs += OUTAGE_MS_MAX;
    expect(() => known.check(state)).not.toThrow();
    nowMs += 1;
    expect(() => known.check(state)).toThrow(RegistryLostError);
    known.remember(state);
    nowMs += RETURN_MS - 1;
    expect(() => known.check(state)).toThrow(RegistryLostError);
    nowMs += 1;
    expect(() => known.check(state)).not.toThrow();
  });

  it('is not taken for the known one by being seen in a beat', () => {
    const known = new KnownRegistry(folder);
    known.remember({ bornAt: FIRST, ageMs: 0 });
    known.remember({ bornAt: SECOND, ageMs: 0 });
    expect(() => known.check({ bornAt: SECOND, ageMs: 0 })).toThrow(RegistryLostError);
  });
});
