import type { ControlTransaction } from '@tensorloop/db/control-client';
import type { AuditTrail } from '../audit/audit.trail.js';
import type { IdempotencyTrail } from '../idempotency/idempotency.trail.js';
import { type PlanCeilings, toCeilings } from '../plans/plans.types.js';
import type { PendingProjection } from '../projection/projection.types.js';
import { announceKey, type KeyRow, toStoredKey, WITH_PROJECT } from './key-row.repository.js';
import type { KeyChange, KeyProject, NewKey, StoredKey } from './keys.types.js';

const MODELS_AUDITED_MAX = 20;

export interface AnnouncedKey {
  key: StoredKey;
  pending: PendingProjection;
}

/** An account while its row is locked: what is read here stays true until the transaction ends. */
export interface LockedAccount {
  tag: string;
  plan: PlanCeilings;
  /** Neither disabled nor about to be deleted. */
  isActive: boolean;
  countActiveKeys(nowMs: number): Promise<number>;
  countMintedSince(sinceMs: number): Promise<{ count: number; oldestMs: number | null }>;
  findKey(keyId: string): Promise<StoredKey | null>;
  findProject(projectId: string): Promise<KeyProject | null>;
  isMember(userId: string): Promise<boolean>;
  /** The key, the outbox row that announces it and the entry in the audit log, in one transaction. */
  insertKey(key: NewKey): Promise<AnnouncedKey>;
  updateKey(before: StoredKey, change: KeyChange): Promise<AnnouncedKey>;
  /** What a repetition with the same Idempotency-Key is answered once it is certain that the key stays. Without a secret. */
  recordAnswer(body: object): Promise<void>;
}

/** Who is told of what happens in a transaction. */
export interface Trails {
  audit: AuditTrail;
  answers: IdempotencyTrail;
}

export async function lockAccount(tx: ControlTransaction, accountId: string, trails: Trails): Promise<LockedAccount> {
  await tx.$queryRaw`SELECT FROM control.accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`;
  const account = await tx.account.findUniqueOrThrow({ where: { id: accountId }, include: { plan: true } });
  const writing: Writing = { tx, accountId, audit: trails.audit };
  return {
    tag: account.tag,
    plan: toCeilings(account.plan),
    isActive: account.disabledAt === null && account.deleteAfter === null,
    countActiveKeys: (nowMs) => tx.key.count({ where: { accountId, revokedAt: null, expiresAt: { gt: new Date(nowMs) } } }),
    countMintedSince: async (sinceMs) => {
      const where = { accountId, mintedAt: { gt: new Date(sinceMs) } };
      const minted = await tx.key.aggregate({ where, _count: true, _min: { mintedAt: true } });
      return { count: minted._count, oldestMs: minted._min.mintedAt?.getTime() ?? null };
    },
    findKey: async (keyId) => {
      const row = await tx.key.findUnique({ where: { accountId_id: { accountId, id: keyId } }, include: WITH_PROJECT });
      return row === null ? null : withOwner(tx, row);
    },
    findProject: async (projectId) => {
      const row = await tx.project.findUnique({ where: { accountId_id: { accountId, id: projectId } } });
      return row === null ? null : { id: row.id, isArchived: row.archivedAt !== null };
    },
    isMember: async (userId) =>
      (await tx.membership.findUnique({ where: { accountId_userId: { accountId, userId } } })) !== null,
    insertKey: (key) => insertKey(writing, key),
    updateKey: (before, change) => updateKey(writing, before, change),
    recordAnswer: (body) => trails.answers.record(tx, body, { isFinal: false }),
  };
}

interface Writing {
  tx: ControlTransaction;
  accountId: string;
  audit: AuditTrail;
}

async function insertKey({ tx, accountId, audit }: Writing, key: NewKey): Promise<AnnouncedKey> {
  const { mintedAtMs, expiresAtMs, ...fields } = key;
  const row = await tx.key.create({
    data: { ...fields, accountId, mintedAt: new Date(mintedAtMs), expiresAt: new Date(expiresAtMs) },
    include: WITH_PROJECT,
  });
  const announced = { key: await withOwner(tx, row), pending: await announceKey(tx, accountId, key.id) };
  const { name, preview, models, rpm, projectId, tags, ownerUserId } = key;
  const details = {
    ...{ name, preview, ...auditedModels(models), rpm, budgetNanoUsd: key.budgetNanoUsd.toString() },
    ...{ expiresAt: new Date(expiresAtMs).toISOString(), projectId, ownerUserId, tags },
  };
  await audit.append(tx, { accountId, action: 'key.minted', subject: { kind: 'key', id: key.id }, details });
  return announced;
}

/** The first few and how many: an entry holds 8 kB, and a key may name more models than that. */
function auditedModels(models: readonly string[]): Record<string, unknown> {
  if (models.length <= MODELS_AUDITED_MAX) return { models };
  return { models: models.slice(0, MODELS_AUDITED_MAX), modelCount: models.length };
}

async function updateKey({ tx, accountId, audit }: Writing, before: StoredKey, change: KeyChange): Promise<AnnouncedKey> {
  const { id } = before;
  const row = await tx.key.update({
    where: { accountId_id: { accountId, id } },
    data: { ...change, version: { increment: 1 } },
    include: WITH_PROJECT,
  });
  const announced = { key: await withOwner(tx, row), pending: await announceKey(tx, accountId, id) };
  const details = { before: changedFields(before, change), after: changedFields(announced.key, change) };
  await audit.append(tx, { accountId, action: 'key.changed', subject: { kind: 'key', id }, details });
  return announced;
}

/** Of a key, what the change is about. */
function changedFields(key: StoredKey, change: KeyChange): Record<string, unknown> {
  const fields = {
    name: key.name,
    budgetNanoUsd: key.budgetNanoUsd.toString(),
    rpm: key.rpm,
    tags: key.tags,
    ownerUserId: key.owner?.userId ?? null,
    projectId: key.project?.id ?? null,
  };
  return Object.fromEntries(Object.entries(fields).filter(([name]) => name in change));
}

async function withOwner(tx: ControlTransaction, row: KeyRow): Promise<StoredKey> {
  const { ownerUserId } = row;
  const owner = ownerUserId === null ? null : await tx.user.findUnique({ where: { id: ownerUserId }, select: { email: true } });
  return toStoredKey(row, new Map(ownerUserId === null || owner === null ? [] : [[ownerUserId, owner.email]]));
}
