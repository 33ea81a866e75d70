import { Inject, Injectable } from '@nestjs/common';
import { type AuditProblem, auditProblemSchema } from '@tensorloop/contracts/api/audit';
import { ControlClient } from '@tensorloop/db/control-client';
import { z } from 'zod';
import type { EntryFilter } from './audit.rules.js';
import type { ChainEntry, ChainHead } from './audit-chain.rules.js';

export interface EntryRow {
  sequence: bigint;
  occurredAt: Date;
  actorKind: string;
  actorId: string | null;
  actorLabel: string;
  action: string;
  subjectKind: string;
  subjectId: string;
  details: unknown;
  ipPrefix: string;
  userAgent: string;
  requestId: string;
  previousHash: string;
  hash: string;
}

export interface VerifiedPiece {
  checked: number;
  last: ChainHead;
  problems: AuditProblem[];
}

interface PieceRow {
  checked: bigint;
  last_sequence: bigint;
  last_hash: string;
  problems: unknown;
}

type ExportRow = Omit<ChainEntry, 'sequence' | 'time'> & { sequence: bigint; time: Date };

/** Reads the log; only AuditTrail writes it. */
@Injectable()
export class AuditRepository {
  constructor(@Inject(ControlClient) private readonly control: ControlClient) {}

  /** Newest first, those before `before`. */
  listEntries(accountId: string, filter: EntryFilter, page: { before: number | null; limit: number }): Promise<EntryRow[]> {
    return this.control.withAccount(accountId, (tx) =>
      tx.auditEntry.findMany({
        where: { accountId, ...toWhere(filter), ...(page.before === null ? {} : { sequence: { lt: page.before } }) },
        orderBy: { sequence: 'desc' },
        take: page.limit,
      }),
    );
  }

  async getHead(accountId: string): Promise<number> {
    const head = await this.control.withAccount(accountId, (tx) => tx.auditHead.findUnique({ where: { accountId } }));
    return Number(head?.sequence ?? 0);
  }

  /** Oldest first, with details as PostgreSQL prints them: what was hashed. */
  async listForExport(
    accountId: string,
    filter: EntryFilter,
    page: { after: number; through: number; limit: number },
  ): Promise<ChainEntry[]> {
    const { after, through, limit } = page;
    const rows = await this.control.withAccount(
      accountId,
      (tx) => tx.$queryRaw<ExportRow[]>`
        SELECT account_id::text AS "accountId", sequence, occurred_at AS "time", actor_kind AS "actorKind", actor_id::text AS "actorId",
          actor_label AS "actorLabel", action, subject_kind AS "subjectKind", subject_id AS "subjectId", details::text AS "details",
          ip_prefix AS "ipPrefix", user_agent AS "userAgent", request_id AS "requestId", previous_hash::text AS "previousHash",
          hash::text AS "hash"
        FROM control.audit_entries
        WHERE account_id = ${accountId}::uuid AND sequence > ${after} AND sequence <= ${through}
          AND (${filter.actorId}::uuid IS NULL OR actor_id = ${filter.actorId}::uuid)
          AND (${filter.actorKind}::text IS NULL OR actor_kind = ${filter.actorKind}::text)
          AND (${filter.action}::text IS NULL OR action = ${filter.action}::text)
          AND (${filter.actionPrefix}::text IS NULL OR starts_with(action, ${filter.actionPrefix}::text))
          AND (${filter.subjectKind}::text IS NULL OR subject_kind = ${filter.subjectKind}::text)
          AND (${filter.subjectId}::text IS NULL OR subject_id = ${filter.subjectId}::text)
          AND (${filter.from}::timestamptz IS NULL OR occurred_at >= ${filter.from}::timestamptz)
          AND (${filter.to}::timestamptz IS NULL OR occurred_at < ${filter.to}::timestamptz)
        ORDER BY sequence LIMIT ${limit}`,
    );
    return rows.map(({ sequence, time, ...row }) => ({ ...row, sequence: Number(sequence), time: time.toISOString() }));
  }

  /** One piece of the chain, from the entry after `after`. Fewer entries than `limit`: the end, compared with the head. */
  async verify(accountId: string, after: ChainHead, limit: number): Promise<VerifiedPiece> {
    const rows = await this.control.withAccount(
      accountId,
      (tx) => tx.$queryRaw<PieceRow[]>`
        SELECT * FROM control.verify_audit(${accountId}::uuid, ${after.sequence}::bigint, ${after.hash}, ${limit}::int)`,
    );
    const [row] = rows as [PieceRow];
    return {
      checked: Number(row.checked),
      last: { sequence: Number(row.last_sequence), hash: row.last_hash },
      problems: z.array(auditProblemSchema).parse(row.problems),
    };
  }

  async hasEntry(accountId: string, { sequence, hash }: ChainHead): Promise<boolean> {
    const found = await this.control.withAccount(accountId, (tx) =>
      tx.auditEntry.findUnique({ where: { accountId_sequence: { accountId, sequence } }, select: { hash: true } }),
    );
    return found?.hash === hash;
  }
}

function toWhere({ from, to, actionPrefix, action, ...exact }: EntryFilter) {
  const given = Object.fromEntries(Object.entries(exact).filter(([, value]) => value !== null));
  return {
    ...given,
    ...(action === null ? {} : { action }),
    ...(actionPrefix === null ? {} : { action: { startsWith: actionPrefix } }),
    ...(from === null && to === null
      ? {}
      : { occurredAt: { ...(from === null ? {} : { gte: from }), ...(to === null ? {} : { lt: to }) } }),
  };
}
