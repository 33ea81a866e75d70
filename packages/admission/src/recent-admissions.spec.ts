import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RecentAdmissions } from './recent-admissions.js';

const NOW = 1_795_000_000_000;

describe('RecentAdmissions', () => {
  it('never counts fewer calls than the last minute had, and none older than 65 s', () => {
    const waits = fc.array(fc.oneof(fc.nat(10), fc.nat(9_000), fc.nat(90_000)), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(waits, fc.nat(100_000), (steps, pause) => {
        const recent = new RecentAdmissions();
        let now = NOW;
        const at = steps.map((wait) => (now += wait));
        for (const instant of at) recent.note('tag', 'key', instant);
        const asked = now + pause;
        const count = recent.countsOf('tag', asked).get('key') ?? 0;
        const since = (ageMs: number) => at.filter((instant) => instant > asked - ageMs).length;
        return count >= since(60_000) && count <= since(65_000);
      }),
    );
  });

  it('keeps keys and accounts apart', () => {
    const recent = new RecentAdmissions();
    recent.note('a', 'k1', NOW);
    recent.note('a', 'k1', NOW + 1);
    recent.note('a', 'k2', NOW);
    recent.note('b', 'k1', NOW);
    expect(recent.countsOf('a', NOW)).toEqual(
      new Map([
        ['k1', 2],
        ['k2', 1],
      ]),
    );
    expect(recent.countsOf('c', NOW)).toEqual(new Map());
  });

  it('forgets keys that were not used for a minute', () => {
    const recent = new RecentAdmissions();
    recent.note('a', 'old', NOW);
    recent.note('a', 'new', NOW + 60_000);
    recent.forget(NOW + 66_000);
    expect(recent.countsOf('a', NOW + 66_000)).toEqual(new Map([['new', 1]]));
    expect(recent.countsOf('a', NOW)).toEqual(new Map([['new', 1]]));
  });
});
