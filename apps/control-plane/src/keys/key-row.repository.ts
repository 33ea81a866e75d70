import { tagsSchema } from '@tensorloop/contracts/tags';
import type { ControlTransaction } from '@tensorloop/db/control-client';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { PendingProjection } from '../projection/projection.types.js';
import type { StoredKey } from './keys.types.js';

export const WITH_PROJECT = { project: { select: { id: true, name: true } } } as const;

/** A row of keys as it is read, with the name of its project. */
export interface KeyRow extends Omit<StoredKey, 'mintedAtMs' | 'expiresAtMs' | 'revokedAtMs' | 'owner' | 'tags'> {
  mintedAt: Date;
  expiresAt: Date;
  revokedAt: Date | null;
  ownerUserId: string | null;
  tags: unknown;
}

/** `emails`: of those owners who are members. */
export function toStoredKey(row: KeyRow, emails: ReadonlyMap<string, string>): StoredKey {
  const { id, name, preview, models, budgetNanoUsd, rpm, version, project, ownerUserId } = row;
  return {
    id,
    name,
    preview,
    models,
    budgetNanoUsd,
    rpm,
    version,
    project: project === null ? null : { id: project.id, name: project.name },
    tags: tagsSchema.parse(row.tags),
    owner: ownerUserId === null ? null : { userId: ownerUserId, email: emails.get(ownerUserId) ?? null },
    mintedAtMs: row.mintedAt.getTime(),
    expiresAtMs: row.expiresAt.getTime(),
    revokedAtMs: row.revokedAt?.getTime() ?? null,
  };
}

/** The outbox row that tells the relay of a change, in the transaction of the change. */
export async function announceKey(tx: ControlTransaction, accountId: string, keyId: string): Promise<PendingProjection> {
  const outboxId = uuid7();
  await tx.keyProjectionOutbox.create({ data: { id: outboxId, accountId, keyId } });
  return { outboxId, accountId, keyId };
}
