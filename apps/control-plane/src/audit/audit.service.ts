import { Inject, Injectable } from '@nestjs/common';
import type { AuditFilter, AuditPage, AuditProblem, AuditVerification } from '@tensorloop/contracts/api/audit';
import { CLOCK, type Clock } from '../clock.js';
import { toAuditPage } from './audit.dto.js';
import { AuditRepository } from './audit.repository.js';
import { toFilter } from './audit.rules.js';
import { type ChainHead, GENESIS_HASH } from './audit-chain.rules.js';
import { type ExportFormat, exportHeader, exportLine } from './audit-export.rules.js';

/** Entries read in one transaction of an export or a verification. */
const EXPORT_PIECE = 1_000;
const VERIFY_PIECE = 20_000;
/** One request verifies VERIFY_PIECE times as many entries; longer logs are verified from an export. */
const VERIFY_PIECES_MAX = 50;

@Injectable()
export class AuditService {
  constructor(
    @Inject(AuditRepository) private readonly repository: AuditRepository,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async list(accountId: string, query: AuditFilter, page: { before: number | null; limit: number }): Promise<AuditPage> {
    const { before, limit } = page;
    return toAuditPage(await this.repository.listEntries(accountId, toFilter(query), { before, limit: limit + 1 }), limit);
  }

  /** The log as it was when the export began, piece by piece: however long it is, one piece is in memory. */
  async export(accountId: string, query: AuditFilter, format: ExportFormat): Promise<AsyncIterable<string>> {
    const through = await this.repository.getHead(accountId);
    return this.readPieces(accountId, query, { format, through });
  }

  async verify(accountId: string, noted: ChainHead | null): Promise<AuditVerification> {
    let last: ChainHead = { sequence: 0, hash: GENESIS_HASH };
    let entries = 0;
    let isComplete = false;
    const problems = new Map<string, AuditProblem>();
    for (let piece = 0; piece < VERIFY_PIECES_MAX && !isComplete; piece++) {
      const verified = await this.repository.verify(accountId, last, VERIFY_PIECE);
      for (const problem of verified.problems) if (!problems.has(problem.kind)) problems.set(problem.kind, problem);
      entries += verified.checked;
      last = verified.last;
      isComplete = verified.checked < VERIFY_PIECE;
    }
    const isFound = noted === null || (await this.repository.hasEntry(accountId, noted));
    return {
      isSound: isComplete && problems.size === 0 && isFound,
      isComplete,
      entries,
      head: last,
      noted: noted === null ? null : { ...noted, isFound },
      problems: [...problems.values()],
      verifiedAt: new Date(this.clock()).toISOString(),
    };
  }

  private async *readPieces(
    accountId: string,
    query: AuditFilter,
    { format, through }: { format: ExportFormat; through: number },
  ): AsyncGenerator<string> {
    const filter = toFilter(query);
    yield exportHeader(format);
    for (let after = 0; after < through; ) {
      const entries = await this.repository.listForExport(accountId, filter, { after, through, limit: EXPORT_PIECE });
      const last = entries.at(-1);
      if (last === undefined) return;
      yield entries.map((entry) => exportLine(format, entry)).join('');
      after = last.sequence;
    }
  }
}
