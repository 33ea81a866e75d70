import { Inject, Injectable } from '@nestjs/common';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { AuditTrail } from '../audit/audit.trail.js';
import type { AuditAction } from '../audit/audit.types.js';
import { IdempotencyTrail } from '../idempotency/idempotency.trail.js';
import type { PendingProjection } from '../projection/projection.types.js';
import type { ProjectChange, StoredProject } from './projects.types.js';

/** Above what any plan allows: a guard for memory, not a limit that anybody meets. */
const KEYS_MAX = 10_000;

export interface ProjectFilter {
  includesArchived: boolean;
  nowMs: number;
  /** The last id of the page before. */
  before: string | null;
  limit: number;
}

export interface ChangedProject {
  project: StoredProject;
  /** Keys of the project that gateways have to hear of. */
  pending: PendingProjection[];
}

/** An account while its row is locked: no key is minted and no project made meanwhile. */
export interface LockedProjects {
  count(): Promise<{ active: number; all: number }>;
  /** By a project that is not archived, other than `except`. */
  isNameTaken(name: string, except: string | null): Promise<boolean>;
  find(projectId: string): Promise<StoredProject | null>;
  insert(project: Pick<StoredProject, 'id' | 'name' | 'budgetNanoUsd' | 'createdAtMs'>): Promise<StoredProject>;
  update(before: StoredProject, change: ProjectChange): Promise<ChangedProject>;
  /** What a repetition with the same Idempotency-Key is answered. */
  recordAnswer(body: object): Promise<void>;
}

@Injectable()
export class ProjectsRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(IdempotencyTrail) private readonly answers: IdempotencyTrail,
  ) {}

  /** Newest first. */
  async listProjects(accountId: string, filter: ProjectFilter): Promise<{ projects: StoredProject[]; hasMore: boolean }> {
    const { includesArchived, nowMs, before, limit } = filter;
    const where = {
      accountId,
      ...(includesArchived ? {} : { archivedAt: null }),
      ...(before === null ? {} : { id: { lt: before } }),
    };
    return this.control.withAccount(accountId, async (tx) => {
      const include = withActiveKeys(nowMs);
      const rows = await tx.project.findMany({ where, orderBy: { id: 'desc' }, take: limit + 1, include });
      return { projects: rows.slice(0, limit).map(toStoredProject), hasMore: rows.length > limit };
    });
  }

  async findProject(accountId: string, projectId: string, nowMs: number): Promise<StoredProject | null> {
    return this.control.withAccount(accountId, (tx) => findProject(tx, { accountId, projectId, nowMs }));
  }

  withLockedAccount<T>(accountId: string, nowMs: number, work: (projects: LockedProjects) => Promise<T>): Promise<T> {
    return this.control.withAccount(accountId, async (tx) => {
      await tx.$queryRaw`SELECT FROM control.accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`;
      return work({
        count: async () => ({
          active: await tx.project.count({ where: { accountId, archivedAt: null } }),
          all: await tx.project.count({ where: { accountId } }),
        }),
        isNameTaken: async (name, except) => {
          const taken = await tx.project.findFirst({ where: { accountId, name, archivedAt: null }, select: { id: true } });
          return taken !== null && taken.id !== except;
        },
        find: (projectId) => findProject(tx, { accountId, projectId, nowMs }),
        insert: (project) => this.insert(tx, accountId, project),
        update: (before, change) => this.update(tx, { accountId, nowMs, before, change }),
        recordAnswer: (body) => this.answers.record(tx, body),
      });
    });
  }

  private async insert(
    tx: ControlTransaction,
    accountId: string,
    { id, name, budgetNanoUsd, createdAtMs }: Pick<StoredProject, 'id' | 'name' | 'budgetNanoUsd' | 'createdAtMs'>,
  ): Promise<StoredProject> {
    await tx.project.create({ data: { accountId, id, name, budgetNanoUsd, createdAt: new Date(createdAtMs) } });
    const details = { name, budgetNanoUsd: budgetNanoUsd?.toString() ?? null };
    await this.audit.append(tx, { accountId, action: 'project.created', subject: { kind: 'project', id }, details });
    return { id, name, budgetNanoUsd, createdAtMs, archivedAtMs: null, version: 1, activeKeys: 0 };
  }

  private async update(tx: ControlTransaction, { accountId, nowMs, before, change }: Update): Promise<ChangedProject> {
    const { id } = before;
    const { archivedAtMs, ...fields } = change;
    const archivedAt = archivedAtMs === undefined ? {} : { archivedAt: archivedAtMs === null ? null : new Date(archivedAtMs) };
    await tx.project.update({
      where: { accountId_id: { accountId, id } },
      data: { ...fields, ...archivedAt, version: { increment: 1 } },
    });
    // Gateways know a project through its keys.
    const pending = await announceKeys(tx, { accountId, projectId: id, nowMs });
    const project = { ...before, ...change, version: before.version + 1 };
    const details = { before: changedFields(before, change), after: changedFields(project, change) };
    await this.audit.append(tx, { accountId, action: actionOf(change), subject: { kind: 'project', id }, details });
    return { project, pending };
  }
}

interface Update {
  accountId: string;
  nowMs: number;
  before: StoredProject;
  change: ProjectChange;
}

function actionOf({ archivedAtMs }: ProjectChange): AuditAction {
  if (archivedAtMs === undefined) return 'project.changed';
  return archivedAtMs === null ? 'project.restored' : 'project.archived';
}

function changedFields(project: StoredProject, change: ProjectChange): Record<string, unknown> {
  const fields = { name: project.name, budgetNanoUsd: project.budgetNanoUsd?.toString() ?? null };
  return Object.fromEntries(Object.entries(fields).filter(([name]) => name in change));
}

async function announceKeys(
  tx: ControlTransaction,
  { accountId, projectId, nowMs }: { accountId: string; projectId: string; nowMs: number },
): Promise<PendingProjection[]> {
  const where = { accountId, projectId, revokedAt: null, expiresAt: { gt: new Date(nowMs) } };
  const keys = await tx.key.findMany({ where, take: KEYS_MAX, select: { id: true } });
  const keyIds = keys.map(({ id }) => id);
  await tx.key.updateMany({ where: { accountId, id: { in: keyIds } }, data: { version: { increment: 1 } } });
  const rows = keyIds.map((keyId) => ({ id: uuid7(), accountId, keyId }));
  await tx.keyProjectionOutbox.createMany({ data: rows });
  return rows.map(({ id, keyId }) => ({ outboxId: id, accountId, keyId }));
}

function withActiveKeys(nowMs: number) {
  return { _count: { select: { keys: { where: { revokedAt: null, expiresAt: { gt: new Date(nowMs) } } } } } } as const;
}

async function findProject(
  tx: ControlTransaction,
  { accountId, projectId, nowMs }: { accountId: string; projectId: string; nowMs: number },
): Promise<StoredProject | null> {
  const where = { accountId_id: { accountId, id: projectId } };
  const row = await tx.project.findUnique({ where, include: withActiveKeys(nowMs) });
  return row === null ? null : toStoredProject(row);
}

interface ProjectRow extends Pick<StoredProject, 'id' | 'name' | 'budgetNanoUsd' | 'version'> {
  createdAt: Date;
  archivedAt: Date | null;
  _count: { keys: number };
}

function toStoredProject({ id, name, budgetNanoUsd, version, createdAt, archivedAt, _count }: ProjectRow): StoredProject {
  return {
    ...{ id, name, budgetNanoUsd, version, createdAtMs: createdAt.getTime() },
    archivedAtMs: archivedAt?.getTime() ?? null,
    activeKeys: _count.keys,
  };
}
