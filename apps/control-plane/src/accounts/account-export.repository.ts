import { Inject, Injectable } from '@nestjs/common';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { AuditTrail } from '../audit/audit.trail.js';

interface Page {
  accountId: string;
  /** The cursor of the row before; null = from the beginning. */
  after: string | null;
  limit: number;
}

interface ExportedRow {
  cursor: string;
  value: unknown;
}

type Section = (tx: ControlTransaction, page: Page) => Promise<ExportedRow[]>;

const beyond = (after: string | null) => (after === null ? {} : { id: { gt: after } });
const byId = <Row extends { id: string }>(rows: Row[]): ExportedRow[] => rows.map((value) => ({ cursor: value.id, value }));

/** Everything that the control plane holds of an account, without what opens anything: no hash of a key, token or invitation. */
const SECTIONS = {
  members: async (tx, { accountId, after, limit }) => {
    const rows = await tx.membership.findMany({
      where: { accountId, ...(after === null ? {} : { userId: { gt: after } }) },
      orderBy: { userId: 'asc' },
      take: limit,
      select: { userId: true, role: true, createdAt: true, user: { select: { email: true, name: true } } },
    });
    return rows.map(({ user, ...row }) => ({ cursor: row.userId, value: { ...row, ...user } }));
  },
  invites: async (tx, { accountId, after, limit }) =>
    byId(
      await tx.invite.findMany({
        where: { accountId, ...beyond(after) },
        orderBy: { id: 'asc' },
        take: limit,
        omit: { accountId: true, tokenHash: true },
      }),
    ),
  tokens: async (tx, { accountId, after, limit }) =>
    byId(
      await tx.managementToken.findMany({
        where: { accountId, ...beyond(after) },
        orderBy: { id: 'asc' },
        take: limit,
        omit: { accountId: true, tokenHash: true },
      }),
    ),
  projects: async (tx, { accountId, after, limit }) =>
    byId(
      await tx.project.findMany({
        where: { accountId, ...beyond(after) },
        orderBy: { id: 'asc' },
        take: limit,
        omit: { accountId: true },
      }),
    ),
  keys: async (tx, { accountId, after, limit }) =>
    byId(
      await tx.key.findMany({
        where: { accountId, ...beyond(after) },
        orderBy: { id: 'asc' },
        take: limit,
        omit: { accountId: true, keyHash: true, hashVersion: true },
      }),
    ),
  auditLog: async (tx, { accountId, after, limit }) => {
    const rows = await tx.auditEntry.findMany({
      where: { accountId, ...(after === null ? {} : { sequence: { gt: BigInt(after) } }) },
      orderBy: { sequence: 'asc' },
      take: limit,
      omit: { accountId: true },
    });
    return rows.map((value) => ({ cursor: value.sequence.toString(), value }));
  },
} as const satisfies Record<string, Section>;

export type SectionName = keyof typeof SECTIONS;
export const SECTION_NAMES = Object.keys(SECTIONS) as readonly SectionName[];

@Injectable()
export class AccountExportRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  /** The account's own row with its plan; the export is in the log from here on. */
  begin(accountId: string): Promise<unknown> {
    return this.control.withAccount(accountId, async (tx) => {
      const account = await tx.account.findUniqueOrThrow({ where: { id: accountId }, include: { plan: true } });
      await this.audit.append(tx, { accountId, action: 'account.exported', subject: { kind: 'account', id: accountId } });
      return account;
    });
  }

  readSection(name: SectionName, page: Page): Promise<ExportedRow[]> {
    return this.control.withAccount(page.accountId, (tx) => SECTIONS[name](tx, page));
  }
}
