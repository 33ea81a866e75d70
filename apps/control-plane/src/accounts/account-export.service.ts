import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock.js';
import { AccountExportRepository, SECTION_NAMES, type SectionName } from './account-export.repository.js';

/** However large the account, so many rows are in memory. */
const ROWS_PER_PIECE = 500;

export const EXPORT_DESCRIPTION = `One JSON object: \`exportedAt\`, \`account\`, and a list each of ${SECTION_NAMES.map((name) => `\`${name}\``).join(', ')}. Amounts and sequence numbers are text. Nothing in it opens anything. It is read while it is sent, one list after the other: a change made meanwhile may be in a later list and not in an earlier one. A file without its last brace broke off. Usage has exports of its own: \`GET /api/activity/export.csv\`.`;

@Injectable()
export class AccountExportService {
  constructor(
    @Inject(AccountExportRepository) private readonly repository: AccountExportRepository,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * One JSON object in pieces. Resolves once it is certain that there is an answer; what fails afterwards ends the stream
   * before its last brace, so that nobody takes half an export for a whole one. Sections are read one after the other.
   */
  async export(accountId: string): Promise<AsyncIterable<string>> {
    const account = await this.repository.begin(accountId);
    const head = toJson({ exportedAt: new Date(this.clock()).toISOString(), account });
    return this.pieces(accountId, head.slice(0, -1));
  }

  private async *pieces(accountId: string, head: string): AsyncIterable<string> {
    yield head;
    for (const name of SECTION_NAMES) {
      yield `,\n${JSON.stringify(name)}:[`;
      yield* this.rowsOf(name, accountId);
      yield ']';
    }
    yield '}\n';
  }

  private async *rowsOf(name: SectionName, accountId: string): AsyncIterable<string> {
    let after: string | null = null;
    for (;;) {
      const rows: { cursor: string; value: unknown }[] = await this.repository.readSection(name, {
        accountId,
        after,
        limit: ROWS_PER_PIECE,
      });
      const separator = after === null ? '\n' : ',\n';
      if (rows.length > 0) yield separator + rows.map(({ value }) => toJson(value)).join(',\n');
      after = rows.at(-1)?.cursor ?? null;
      if (rows.length < ROWS_PER_PIECE || after === null) return;
    }
  }
}

/** Amounts and sequence numbers as decimal strings: JSON's numbers do not hold them. */
function toJson(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? member.toString() : member));
}
