import { describe, expect, it } from '@jest/globals';
import { judgeRest } from './soak.js';

const subjects = (before: Record<string, number>, after: Record<string, number>) =>
  judgeRest(new Map(Object.entries(before)), new Map(Object.entries(after))).violations.map(({ subject }) => subject);

describe('what is open after a soak, when every connection of a call has closed', () => {
  it('is what was open before it, but for what the first load opens for good', () => {
    expect(subjects({ 'gateway-1': 60, nats: 21 }, { 'gateway-1': 80, nats: 21 })).toEqual([]);
    expect(judgeRest(new Map([['nats', 21]]), new Map([['nats', 22]])).figures).toEqual({
      'nats descriptors at rest, before': 21,
      'nats descriptors at rest, after': 22,
    });
  });

  it('and is more has leaked, also where one part alone has', () => {
    expect(subjects({ 'gateway-1': 60, redis: 18 }, { 'gateway-1': 81, redis: 18 })).toEqual(['gateway-1 descriptors at rest']);
  });
});
