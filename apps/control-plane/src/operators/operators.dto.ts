import type {
  Installation,
  OperatorAccount,
  OperatorAccountDetail,
  OperatorErasure,
  OperatorPlan,
} from '@tensorloop/contracts/api/operator';
import { roleSchema } from '@tensorloop/contracts/dashboard-api';
import { formatUsd } from '@tensorloop/kernel/money';
import type { Readiness } from '@tensorloop/nest-kit/health';
import { toCeilings, toPlan } from '../plans/plans.types.js';
import type { ErasureRow } from './erasures.repository.js';
import { statusOf } from './operators.rules.js';
import type { AccountRow, DetailRow, InstallationRow, PlanRow } from './operators.types.js';

export function toAccount(row: AccountRow): OperatorAccount {
  const { id, name, plan, createdAt, members, keysActive } = row;
  return {
    id,
    name,
    status: statusOf(row),
    plan: { id: plan.id, name: plan.name },
    createdAt: createdAt.toISOString(),
    members,
    keysActive,
  };
}

export function toDetail(row: DetailRow, usage: OperatorAccountDetail['usage'], nowMs: number): OperatorAccountDetail {
  return {
    ...toAccount(row),
    plan: toPlan(toCeilings(row.plan)),
    kind: row.kind === 'prepaid' ? 'prepaid' : 'metered',
    dailyLimitUsd: row.dailyLimitNanoUsd === null ? null : formatUsd(row.dailyLimitNanoUsd),
    disabledAt: row.disabledAt?.toISOString() ?? null,
    deleteAfter: row.deleteAfter?.toISOString() ?? null,
    version: row.version,
    memberList: row.memberships.map(({ user, role, createdAt }) => ({
      userId: user.id,
      email: user.email,
      role: roleSchema.parse(role),
      isVerified: user.emailVerifiedAt !== null,
      joinedAt: createdAt.toISOString(),
    })),
    keyList: row.keys.map((key) => toKey(key, nowMs)),
    usage,
  };
}

function toKey(key: DetailRow['keys'][number], nowMs: number): OperatorAccountDetail['keyList'][number] {
  const { id, name, preview, models, rpm } = key;
  return {
    id,
    name,
    preview,
    models,
    rpm,
    status: key.revokedAt !== null ? 'revoked' : key.expiresAt.getTime() <= nowMs ? 'expired' : 'active',
    budgetUsd: formatUsd(key.budgetNanoUsd),
    createdAt: key.mintedAt.toISOString(),
    expiresAt: key.expiresAt.toISOString(),
  };
}

export function toOperatorPlan(row: PlanRow): OperatorPlan {
  const { rpmPerAccountMax, knowledgeBasesMax, isCustom, isOffered, accounts } = row;
  return {
    ...toPlan(toCeilings(row)),
    feeUsd: formatUsd(row.feeNanoUsd),
    feeNanoUsd: row.feeNanoUsd.toString(),
    rpmPerAccountMax,
    knowledgeBasesMax,
    storageBytesMax: row.storageBytesMax === null ? null : Number(row.storageBytesMax),
    isCustom,
    isOffered,
    accounts,
  };
}

export function toErasure({ deleteAfter, begunAt, workedAt, nextTryAt, erasedAt, ...row }: ErasureRow): OperatorErasure {
  const instant = (time: Date | null) => time?.toISOString() ?? null;
  return {
    ...row,
    deleteAfter: deleteAfter.toISOString(),
    begunAt: instant(begunAt),
    workedAt: instant(workedAt),
    nextTryAt: instant(nextTryAt),
    erasedAt: instant(erasedAt),
  };
}

export function toInstallation(
  { status, checks }: Readiness,
  gateways: Installation['gateways'],
  row: InstallationRow,
): Installation {
  const { waiting, oldestSince, ...counts } = row;
  return { status, checks, gateways, counts, projections: { waiting, oldestSince: oldestSince?.toISOString() ?? null } };
}
