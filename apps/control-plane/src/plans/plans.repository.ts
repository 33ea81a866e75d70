import { Inject, Injectable } from '@nestjs/common';
import type { PlanChange } from '@tensorloop/contracts/api/plans';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { announceActiveKeys, listUndeliveredKeys } from '@tensorloop/db/key-announcements';
import { AuditTrail } from '../audit/audit.trail.js';
import type { PendingProjection } from '../projection/projection.types.js';
import type { PlannedKey, PlanTerms } from './plans.rules.js';

/** Above the number of keys of any plan: a guard for memory, not a limit that anybody meets. */
const KEYS_MAX = 10_000;

/** An account while its plan is looked at. */
export interface PlannedAccount {
  plan: PlanTerms;
  /** Of the account: what If-Match compares. */
  version: number;
  /** Neither disabled nor about to be deleted. */
  isActive: boolean;
  findPlan(planId: string): Promise<PlanTerms | null>;
  /** The latest first. */
  listActiveKeys(): Promise<PlannedKey[]>;
}

/** An account while its row is locked: mints and other changes of plan wait. */
export interface ReplannedAccount extends PlannedAccount {
  /** Changes the plan, announces every active key and writes it to the audit log. */
  setPlan(change: PlanChange): Promise<PendingProjection[]>;
  /** Changes of its keys that Redis may not hold yet. */
  listUndelivered(): Promise<PendingProjection[]>;
}

@Injectable()
export class PlansRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  async listPlans(accountId: string): Promise<{ plans: PlanTerms[]; currentPlanId: string }> {
    return this.control.withAccount(accountId, async (tx) => {
      const { planId } = await tx.account.findUniqueOrThrow({ where: { id: accountId }, select: { planId: true } });
      return { plans: await tx.plan.findMany({ orderBy: [{ position: 'asc' }, { id: 'asc' }] }), currentPlanId: planId };
    });
  }

  readAccount<T>(accountId: string, nowMs: number, work: (account: PlannedAccount) => Promise<T>): Promise<T> {
    return this.control.withAccount(accountId, async (tx) => work(await open(tx, accountId, nowMs)));
  }

  withLockedAccount<T>(accountId: string, nowMs: number, work: (account: ReplannedAccount) => Promise<T>): Promise<T> {
    return this.control.withAccount(accountId, async (tx) => {
      await tx.$queryRaw`SELECT FROM control.accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`;
      const account = await open(tx, accountId, nowMs);
      return work({
        ...account,
        setPlan: async (change) => {
          const data = { planId: change.to.id, version: { increment: 1 } };
          await tx.account.update({ where: { id: accountId }, data, select: { id: true } });
          const pending = await announceActiveKeys(tx, accountId, new Date(nowMs));
          const { from, to, keysActive, keysSurplus } = change;
          const details = { from: from.id, to: to.id, keysActive, keysSurplus, keysCut: change.keys.length };
          const subject = { kind: 'account', id: accountId };
          await this.audit.append(tx, { accountId, action: 'account.plan_changed', subject, details });
          return pending;
        },
        listUndelivered: () => listUndeliveredKeys(tx, accountId),
      });
    });
  }
}

async function open(tx: ControlTransaction, accountId: string, nowMs: number): Promise<PlannedAccount> {
  const row = await tx.account.findUniqueOrThrow({ where: { id: accountId }, include: { plan: true } });
  const active = { accountId, revokedAt: null, expiresAt: { gt: new Date(nowMs) } };
  return {
    plan: row.plan,
    version: row.version,
    isActive: row.disabledAt === null && row.deleteAfter === null,
    findPlan: (planId) => tx.plan.findUnique({ where: { id: planId } }),
    listActiveKeys: () =>
      tx.key.findMany({
        where: active,
        orderBy: { id: 'desc' },
        take: KEYS_MAX,
        select: { id: true, name: true, preview: true, models: true, budgetNanoUsd: true, rpm: true },
      }),
  };
}
