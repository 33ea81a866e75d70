import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { tagsSchema } from '@tensorloop/contracts/tags';
import { cutToPlan } from '../plans/plans.types.js';

/** A key with what its projection takes from account, plan and project. */
export interface ProjectedKey {
  version: number;
  keyHash: string;
  /** Which pepper keyHash was made with. */
  hashVersion: number;
  id: string;
  accountId: string;
  accountTag: string;
  isAccountDisabled: boolean;
  revokedAt: Date | null;
  mintedAt: Date;
  expiresAt: Date;
  models: readonly string[];
  budgetNanoUsd: bigint;
  rpm: number;
  tpm: number | null;
  parallelMax: number | null;
  accountKind: string;
  dailyLimitNanoUsd: bigint | null;
  plan: { models: string[]; budgetPerKeyNanoUsdMax: bigint; rpmPerKeyMax: number; rpmPerAccountMax: number | null };
  project: { id: string; name: string; createdAt: Date; budgetNanoUsd: bigint | null } | null;
  tags: unknown;
}

export function toProjection(key: ProjectedKey): KeyProjection {
  const { plan, project } = key;
  const terms = cutToPlan(key, plan);
  const tags = tagsSchema.parse(key.tags);
  return {
    version: key.version,
    keyHash: key.keyHash,
    keyId: key.id,
    accountId: key.accountId,
    accountTag: key.accountTag,
    // No key of a disabled account works; to a gateway that is the same.
    isRevoked: key.revokedAt !== null || key.isAccountDisabled,
    mintedAtMs: key.mintedAt.getTime(),
    expiresAtMs: key.expiresAt.getTime(),
    models: terms.models,
    budgetNanoUsd: terms.budgetNanoUsd.toString(),
    rpm: terms.rpm,
    tpm: key.tpm,
    parallelMax: key.parallelMax,
    // The database knows these two; a third would have to be denied and not taken for unlimited.
    accountKind: key.accountKind === 'metered' ? 'metered' : 'prepaid',
    dailyLimitNanoUsd: key.dailyLimitNanoUsd?.toString() ?? null,
    ...(plan.rpmPerAccountMax === null ? {} : { accountRpm: plan.rpmPerAccountMax }),
    ...(project === null ? {} : { project: toProjectedProject(project) }),
    ...(Object.keys(tags).length === 0 ? {} : { tags }),
  };
}

function toProjectedProject({ id, name, createdAt, budgetNanoUsd }: NonNullable<ProjectedKey['project']>) {
  return { id, name, createdAtMs: createdAt.getTime(), budgetNanoUsd: budgetNanoUsd?.toString() ?? null };
}
