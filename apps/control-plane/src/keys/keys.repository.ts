import { Inject, Injectable } from '@nestjs/common';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { AuditTrail } from '../audit/audit.trail.js';
import type { AuditActor, AuditEvent } from '../audit/audit.types.js';
import { IdempotencyTrail } from '../idempotency/idempotency.trail.js';
import { type PlanCeilings, toCeilings } from '../plans/plans.types.js';
import type { PendingProjection } from '../projection/projection.types.js';
import { announceKey, type KeyRow, toStoredKey, WITH_PROJECT } from './key-row.repository.js';
import type { KeyFilter, StoredKey } from './keys.types.js';
import { type LockedAccount, lockAccount } from './locked-account.repository.js';

/** Projects and members that a dialog for minting offers. */
const OPTIONS_MAX = 200;

/** What a dialog for minting shows of an account, at one instant. */
export interface MintView {
  plan: PlanCeilings;
  rpmPerAccountMax: number | null;
  /** Neither disabled nor about to be deleted. */
  isActive: boolean;
  activeKeys: number;
  minted: { count: number; oldestMs: number | null };
  projects: { id: string; name: string }[];
  owners: { userId: string; email: string }[];
}

export interface KeyPageRows {
  keys: StoredKey[];
  hasMore: boolean;
  plan: PlanCeilings;
}

@Injectable()
export class KeysRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(IdempotencyTrail) private readonly answers: IdempotencyTrail,
  ) {}

  /** Runs `work` while no other mint or change of this account can: parallel ones queue on the account's row. */
  withLockedAccount<T>(accountId: string, work: (account: LockedAccount) => Promise<T>): Promise<T> {
    return this.control.withAccount(accountId, async (tx) =>
      work(await lockAccount(tx, accountId, { audit: this.audit, answers: this.answers })),
    );
  }

  /** Newest first. */
  async listKeys(accountId: string, filter: KeyFilter): Promise<KeyPageRows> {
    const { includesInactive, nowMs, projectId, tag, before, limit } = filter;
    const where = {
      accountId,
      ...(includesInactive ? {} : { revokedAt: null, expiresAt: { gt: new Date(nowMs) } }),
      ...(projectId === null ? {} : { projectId }),
      ...(tag === null ? {} : { tags: { path: [tag.name], equals: tag.value } }),
      ...(before === null ? {} : { id: { lt: before } }),
    };
    return this.control.withAccount(accountId, async (tx) => {
      const rows = await tx.key.findMany({ where, orderBy: { id: 'desc' }, take: limit + 1, include: WITH_PROJECT });
      const keys = await withOwners(tx, rows.slice(0, limit));
      return { keys, hasMore: rows.length > limit, plan: await planOf(tx, accountId) };
    });
  }

  async findKey(accountId: string, keyId: string): Promise<{ key: StoredKey; plan: PlanCeilings } | null> {
    return this.control.withAccount(accountId, async (tx) => {
      const row = await tx.key.findUnique({ where: { accountId_id: { accountId, id: keyId } }, include: WITH_PROJECT });
      if (row === null) return null;
      const [key] = await withOwners(tx, [row]);
      return { key: key as StoredKey, plan: await planOf(tx, accountId) };
    });
  }

  getMintView(accountId: string, { nowMs, hourMs }: { nowMs: number; hourMs: number }): Promise<MintView> {
    return this.control.withAccount(accountId, async (tx) => {
      const account = await tx.account.findUniqueOrThrow({ where: { id: accountId }, include: { plan: true } });
      const minted = await tx.key.aggregate({
        where: { accountId, mintedAt: { gt: new Date(nowMs - hourMs) } },
        _count: true,
        _min: { mintedAt: true },
      });
      const members = await tx.membership.findMany({
        where: { accountId },
        orderBy: { createdAt: 'asc' },
        take: OPTIONS_MAX,
        select: { user: { select: { id: true, email: true } } },
      });
      return {
        plan: toCeilings(account.plan),
        rpmPerAccountMax: account.plan.rpmPerAccountMax,
        isActive: account.disabledAt === null && account.deleteAfter === null,
        activeKeys: await tx.key.count({ where: { accountId, revokedAt: null, expiresAt: { gt: new Date(nowMs) } } }),
        minted: { count: minted._count, oldestMs: minted._min.mintedAt?.getTime() ?? null },
        projects: await tx.project.findMany({
          where: { accountId, archivedAt: null },
          orderBy: { name: 'asc' },
          take: OPTIONS_MAX,
          select: { id: true, name: true },
        }),
        owners: members.map(({ user }) => ({ userId: user.id, email: user.email })),
      };
    });
  }

  /**
   * Marks the key revoked and announces it. Null when the account has no such key. A key that is revoked already keeps
   * its instant and is announced again, so that a caller who saw 503 can repeat the call until gateways know.
   */
  revokeKey(accountId: string, keyId: string, nowMs: number): Promise<PendingProjection | null> {
    return this.control.withAccount(accountId, (tx) => this.revokeWithin(tx, { accountId, keyId, nowMs }));
  }

  /** The key is in force: a repetition of the request is told of it. */
  async keepMint(accountId: string): Promise<void> {
    if (!this.answers.isFollowing) return;
    await this.control.withAccount(accountId, (tx) => this.answers.close(tx));
  }

  /**
   * Revokes a key that nobody has seen the text of. A repetition of the request mints another one; if one was told of this key
   * already, it stays. Nobody asked for this: it happens also when whoever minted was signed out meanwhile.
   */
  async undoMint(accountId: string, keyId: string, nowMs: number): Promise<void> {
    const actor: AuditActor = { kind: 'system', id: null, label: 'undoing a mint' };
    await this.control.withAccount(accountId, async (tx) => {
      if (await this.answers.withdraw(tx)) await this.revokeWithin(tx, { accountId, keyId, nowMs, actor });
    });
  }

  private async revokeWithin(
    tx: ControlTransaction,
    { accountId, keyId, nowMs, actor }: { accountId: string; keyId: string; nowMs: number; actor?: AuditActor },
  ): Promise<PendingProjection | null> {
    const key = await tx.key.findUnique({ where: { accountId_id: { accountId, id: keyId } } });
    if (key === null) return null;
    const { count } = await tx.key.updateMany({
      where: { accountId, id: keyId, revokedAt: null },
      data: { revokedAt: new Date(nowMs), version: { increment: 1 } },
    });
    const pending = await announceKey(tx, accountId, keyId);
    const event: AuditEvent = {
      accountId,
      action: 'key.revoked',
      subject: { kind: 'key', id: keyId },
      details: { name: key.name },
      ...(actor === undefined ? {} : { actor }),
    };
    if (count > 0) await this.audit.append(tx, event);
    return pending;
  }
}

async function planOf(tx: ControlTransaction, accountId: string): Promise<PlanCeilings> {
  const { plan } = await tx.account.findUniqueOrThrow({ where: { id: accountId }, select: { plan: true } });
  return toCeilings(plan);
}

/** Only addresses of members can be read here, so whoever has left is named by the id alone. */
async function withOwners(tx: ControlTransaction, rows: readonly KeyRow[]): Promise<StoredKey[]> {
  const ids = [...new Set(rows.flatMap(({ ownerUserId }) => ownerUserId ?? []))];
  const users =
    ids.length === 0 ? [] : await tx.user.findMany({ where: { id: { in: ids } }, select: { id: true, email: true } });
  const emails = new Map(users.map(({ id, email }) => [id, email]));
  return rows.map((row) => toStoredKey(row, emails));
}
