import type { KeyProjection } from '@tensorloop/contracts/key-projection';

const ALL_MODELS = '*';

/** A key with what its projection takes from account and plan. */
export interface ProjectedKey {
  version: number;
  keyHash: string;
  id: string;
  accountId: string;
  accountTag: string;
  revokedAt: Date | null;
  mintedAt: Date;
  expiresAt: Date;
  models: readonly string[];
  planModels: readonly string[];
  budgetNanoUsd: bigint;
  rpm: number;
  tpm: number | null;
  parallelMax: number | null;
  accountKind: string;
  dailyLimitNanoUsd: bigint | null;
}

export function toProjection(key: ProjectedKey): KeyProjection {
  return {
    version: key.version,
    keyHash: key.keyHash,
    keyId: key.id,
    accountId: key.accountId,
    accountTag: key.accountTag,
    isRevoked: key.revokedAt !== null,
    mintedAtMs: key.mintedAt.getTime(),
    expiresAtMs: key.expiresAt.getTime(),
    models: intersectModels(key.models, key.planModels),
    budgetNanoUsd: key.budgetNanoUsd.toString(),
    rpm: key.rpm,
    tpm: key.tpm,
    parallelMax: key.parallelMax,
    // The database knows these two; a third would have to be denied and not taken for unlimited.
    accountKind: key.accountKind === 'metered' ? 'metered' : 'prepaid',
    dailyLimitNanoUsd: key.dailyLimitNanoUsd?.toString() ?? null,
  };
}

/** What a key may call: its own allowlist, cut to what the plan includes now. Empty when nothing is left. */
export function intersectModels(keyModels: readonly string[], planModels: readonly string[]): string[] {
  if (planModels.includes(ALL_MODELS)) return [...keyModels];
  if (keyModels.includes(ALL_MODELS)) return [...planModels];
  return keyModels.filter((model) => planModels.includes(model));
}
