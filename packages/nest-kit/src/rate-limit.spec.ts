import { describe, expect, it } from '@jest/globals';
import { exhaustedHeaders, rateLimitHeaders } from './rate-limit.js';

describe('the headers of a limit', () => {
  const policy = { name: 'credential-requests', quota: 300, windowMs: 60_000 };

  it('say what there is of it and what is left, as structured fields', () => {
    expect(rateLimitHeaders(policy, { left: 299, endsInMs: 59_001 })).toEqual({
      'ratelimit-policy': '"credential-requests";q=300;w=60',
      ratelimit: '"credential-requests";r=299;t=60',
    });
  });

  it('never say less than nothing', () => {
    expect(rateLimitHeaders(policy, { left: -1, endsInMs: -1 }).ratelimit).toBe('"credential-requests";r=0;t=0');
  });

  it('of what is bounded at once name no window', () => {
    expect(exhaustedHeaders({ name: 'streams', quota: 20 }, 5_000)).toEqual({
      'ratelimit-policy': '"streams";q=20;qu="concurrent-requests"',
      ratelimit: '"streams";r=0;t=5',
      'retry-after': '5',
    });
  });

  it('of a refusal send nobody back at once', () => {
    expect(exhaustedHeaders(policy, 0)).toMatchObject({ ratelimit: '"credential-requests";r=0;t=1', 'retry-after': '1' });
  });
});
