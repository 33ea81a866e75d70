import { describe, expect, it } from '@jest/globals';
import { keyProjectionSchema } from '@tensorloop/contracts/key-projection';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { type ProjectedKey, toProjection } from './projection.rules.js';

const CREATED = new Date('2026-11-21T08:00:00.123Z');

function keyOf(changes: Partial<ProjectedKey> = {}): ProjectedKey {
  return {
    version: 2,
    keyHash: 'ab'.repeat(32),
    hashVersion: 1,
    id: uuid7(),
    accountId: uuid7(),
    accountTag: 'abcd1234',
    isAccountDisabled: false,
    revokedAt: null,
    mintedAt: CREATED,
    expiresAt: new Date(CREATED.getTime() + 1_000),
    models: ['*'],
    budgetNanoUsd: 50n,
    rpm: 120,
    tpm: null,
    parallelMax: null,
    accountKind: 'metered',
    dailyLimitNanoUsd: null,
    plan: { models: ['a'], budgetPerKeyNanoUsdMax: 100n, rpmPerKeyMax: 300, rpmPerAccountMax: null },
    project: null,
    tags: {},
    ...changes,
  };
}

describe('what gateways go by', () => {
  it('is the lesser of key and plan, in money and in requests (TL-2)', () => {
    expect(toProjection(keyOf())).toMatchObject({ models: ['a'], budgetNanoUsd: '50', rpm: 120 });
    const plan = { models: ['*'], budgetPerKeyNanoUsdMax: 7n, rpmPerKeyMax: 30, rpmPerAccountMax: 600 };
    expect(toProjection(keyOf({ plan }))).toMatchObject({ models: ['*'], budgetNanoUsd: '7', rpm: 30, accountRpm: 600 });
  });

  it('says nothing of limits, a project and tags that there are not, and all of those that there are (TS-7)', () => {
    const bare = toProjection(keyOf());
    for (const field of ['accountRpm', 'project', 'tags']) expect(bare).not.toHaveProperty(field);
    const id = uuid7();
    const project = { id, name: 'Search', createdAt: CREATED, budgetNanoUsd: null };
    const full = toProjection(keyOf({ project, tags: { team: 'search' } }));
    expect(full).toMatchObject({
      project: { id, name: 'Search', createdAtMs: CREATED.getTime(), budgetNanoUsd: null },
      tags: { team: 'search' },
    });
    expect(keyProjectionSchema.parse(full)).toEqual(full);
  });

  it('is refused like a revoked key while the account is disabled', () => {
    expect(toProjection(keyOf({ isAccountDisabled: true })).isRevoked).toBe(true);
  });
});
