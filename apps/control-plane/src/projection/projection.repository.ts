import { Inject, Injectable } from '@nestjs/common';
import { ControlClient, RelayClient } from '@tensorloop/db/control-client';
import { AuditTrail } from '../audit/audit.trail.js';
import type { ProjectedKey } from './projection.rules.js';
import type { PendingProjection } from './projection.types.js';

const WITH_ACCOUNT = { account: { include: { plan: true } }, project: true } as const;

/** Keys of all accounts, read as role control_relay: the one place that looks across tenants. */
@Injectable()
export class ProjectionRepository {
  constructor(
    @Inject(RelayClient) private readonly relay: RelayClient,
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  async findKey(accountId: string, keyId: string): Promise<ProjectedKey | null> {
    const key = await this.relay.tables.key.findUnique({
      where: { accountId_id: { accountId, id: keyId } },
      include: WITH_ACCOUNT,
    });
    return key === null ? null : toProjectedKey(key);
  }

  async findKeyByHash(accountTag: string, keyHash: string): Promise<ProjectedKey | null> {
    const key = await this.relay.tables.key.findUnique({
      where: { keyHash, account: { tag: accountTag } },
      include: WITH_ACCOUNT,
    });
    return key === null ? null : toProjectedKey(key);
  }

  /** Nothing happens when somebody else was first. */
  async rehashKey(
    { accountId, id, keyHash: before }: Pick<ProjectedKey, 'accountId' | 'id' | 'keyHash'>,
    { keyHash, hashVersion }: { keyHash: string; hashVersion: number },
  ): Promise<void> {
    await this.control.withAccount(accountId, async (tx) => {
      const [row] = await tx.$queryRaw<{ isChanged: boolean }[]>`
        SELECT control.rehash_key(${accountId}::uuid, ${id}::uuid, ${before}, ${keyHash}, ${hashVersion}::smallint) AS "isChanged"`;
      if (row?.isChanged !== true) return;
      const [subject, details] = [{ kind: 'key', id }, { hashVersion }];
      const actor = { kind: 'system', id: null, label: 'pepper rotation' } as const;
      await this.audit.append(tx, { accountId, action: 'key.rehashed', subject, details, actor });
    });
  }

  /** Oldest first. */
  async listPending(limit: number): Promise<PendingProjection[]> {
    const rows = await this.relay.tables.keyProjectionOutbox.findMany({ orderBy: { id: 'asc' }, take: limit });
    return rows.map(({ id, accountId, keyId }) => ({ outboxId: id, accountId, keyId }));
  }

  /** A row that another relay removed first is no error. */
  async removePending(outboxIds: readonly string[]): Promise<void> {
    await this.relay.tables.keyProjectionOutbox.deleteMany({ where: { id: { in: [...outboxIds] } } });
  }
}

type KeyRow = Omit<ProjectedKey, 'accountTag' | 'accountKind' | 'plan' | 'dailyLimitNanoUsd' | 'isAccountDisabled'> & {
  account: {
    tag: string;
    kind: string;
    dailyLimitNanoUsd: bigint | null;
    disabledAt: Date | null;
    /** Deletion was asked for: keys stop at once and come back if it is taken back. */
    deleteAfter: Date | null;
    plan: ProjectedKey['plan'];
  };
};

function toProjectedKey({ account, ...key }: KeyRow): ProjectedKey {
  return {
    ...key,
    accountTag: account.tag,
    accountKind: account.kind,
    isAccountDisabled: account.disabledAt !== null || account.deleteAfter !== null,
    plan: account.plan,
    dailyLimitNanoUsd: account.dailyLimitNanoUsd,
  };
}
