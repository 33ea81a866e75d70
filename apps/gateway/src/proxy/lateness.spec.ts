import { describe, expect, it } from '@jest/globals';
import { LATENESS_TICK_MS, Lateness, SHED_SHARE_MAX } from './lateness.service.js';

const LATE_MS = 25;

function readings(lateness: Lateness, count: number, lateMs: number): void {
  for (let index = 0; index < count; index++) lateness.observe(lateMs);
}

describe('a gateway that falls behind', () => {
  it('refuses more and more, but never everything', () => {
    const lateness = new Lateness(LATE_MS, () => 0.5);
    expect(lateness.sheds()).toBe(false);
    readings(lateness, 50, 4 * LATE_MS);
    expect(lateness.sheds()).toBe(true);
    expect(lateness.sharePercent).toBeCloseTo(100 * SHED_SHARE_MAX);
    expect(new Lateness(LATE_MS, () => 0.99).sheds()).toBe(false);
  });

  it('takes everything again soon after it has caught up', () => {
    const lateness = new Lateness(LATE_MS, () => 0);
    readings(lateness, 50, 4 * LATE_MS);
    readings(lateness, 100, 0);
    expect(lateness.sheds()).toBe(false);
  });

  it('is not shaken by one long collection of garbage', () => {
    const lateness = new Lateness(LATE_MS, () => 0);
    readings(lateness, 20, 1);
    lateness.observe(3 * LATE_MS);
    readings(lateness, 3, 1);
    expect(lateness.sheds()).toBe(false);
  });

  it('nor by a machine that stood still for seconds', () => {
    const lateness = new Lateness(LATE_MS, () => 0);
    lateness.observe(3_000);
    readings(lateness, 3, 1);
    expect(lateness.sheds()).toBe(false);
  });

  it('nor by a Redis that stood still for a moment, with all the calls that waited for it', () => {
    const lateness = new Lateness(LATE_MS, () => 0);
    for (let index = 0; index < 100; index++) lateness.noteAdmission(6 * LATE_MS);
    readings(lateness, 3, LATE_MS);
    expect(lateness.sheds()).toBe(false);
    for (let index = 0; index < 20; index++) lateness.noteAdmission(1);
    readings(lateness, 50, 1);
    expect(lateness.sheds()).toBe(false);
  });

  it('nor by half a second in which everything is late', () => {
    const lateness = new Lateness(LATE_MS, () => 0);
    readings(lateness, 25, 1);
    for (let elapsedMs = 0; elapsedMs < 500; elapsedMs += 2 * LATE_MS + LATENESS_TICK_MS) {
      lateness.noteAdmission(3 * LATE_MS);
      lateness.observe(2 * LATE_MS);
    }
    expect(lateness.sheds()).toBe(false);
    for (let index = 0; index < 20; index++) lateness.noteAdmission(1);
    readings(lateness, 10, 1);
    expect(lateness.sheds()).toBe(false);
  });

  it('refuses half of all calls within 1.5 s, however seldom a loop that is late can be asked', () => {
    for (const lateMs of [2 * LATE_MS, 4 * LATE_MS, 120]) {
      const lateness = new Lateness(LATE_MS, () => 0);
      let elapsedMs = 0;
      while (lateness.sharePercent < 50) {
        lateness.observe(lateMs);
        elapsedMs += lateMs + LATENESS_TICK_MS;
      }
      expect(elapsedMs).toBeLessThan(1_500);
    }
  });

  it('refuses half of all calls in the very reading in which it begins to', () => {
    const lateness = new Lateness(LATE_MS, () => 0);
    while (lateness.sharePercent === 0) lateness.observe(2 * LATE_MS);
    expect(lateness.sharePercent).toBeGreaterThanOrEqual(50);
    expect(lateness.sharePercent).toBeLessThan(100 * SHED_SHARE_MAX);
  });

  it('holds an overload off without waiting again once it has begun to', () => {
    const lateness = new Lateness(LATE_MS, () => 0);
    readings(lateness, 25, 2 * LATE_MS);
    readings(lateness, 20, 0);
    const before = lateness.sharePercent;
    readings(lateness, 4, 4 * LATE_MS);
    expect(lateness.sharePercent).toBeGreaterThan(before);
  });

  it('refuses while Redis is slow to admit, and stops by itself when nobody asks any more', () => {
    const lateness = new Lateness(LATE_MS, () => 0);
    for (let index = 0; index < 60; index++) {
      lateness.noteAdmission(3 * LATE_MS);
      lateness.observe(0);
    }
    expect(lateness.sheds()).toBe(true);
    readings(lateness, 130, 0);
    expect(lateness.sheds()).toBe(false);
  });
});
