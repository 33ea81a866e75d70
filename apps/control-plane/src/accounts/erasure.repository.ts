import { Inject, Injectable } from '@nestjs/common';
import { ControlClient, RelayClient } from '@tensorloop/db/control-client';

/** What a call has done: nothing, a piece of which there are more, or the last one. */
export type ErasureStep = 'none' | 'more' | 'erased';

/** Deletions whose grace is over. Finding them looks across accounts, as the relay; erasing one sees that one alone. */
@Injectable()
export class ErasureRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(RelayClient) private readonly relay: RelayClient,
  ) {}

  /** Worked on longest ago first. Not those that failed a short while ago. */
  async listDue(limit: number): Promise<string[]> {
    const rows = await this.relay.tables.$queryRaw<{ id: string }[]>`
      SELECT account_id AS id FROM control.list_due_erasures(${limit}::integer)`;
    return rows.map(({ id }) => id);
  }

  /** `none` when another replica is at it or was first, or by the database's clock it is not time yet. */
  async erase(accountId: string, rowsMax: number): Promise<ErasureStep> {
    const [row] = await this.control.withAccount(
      accountId,
      (tx) => tx.$queryRaw<{ step: ErasureStep }[]>`
        SELECT control.erase_account(${accountId}::uuid, ${rowsMax}::integer) AS step`,
    );
    return row?.step ?? 'none';
  }

  /** Puts the next attempt off. Returns how often it failed in a row. */
  async noteFailure(accountId: string, error: string): Promise<number> {
    const [row] = await this.relay.tables.$queryRaw<{ failures: number }[]>`
      SELECT control.note_erasure_failure(${accountId}::uuid, ${error}) AS failures`;
    return row?.failures ?? 0;
  }

  async countDue(): Promise<{ due: number; failing: number }> {
    const [row] = await this.relay.tables.$queryRaw<{ due: number; failing: number }[]>`
      SELECT due, failing FROM control.count_due_erasures()`;
    return row ?? { due: 0, failing: 0 };
  }
}
