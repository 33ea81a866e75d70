import { Inject, Injectable } from '@nestjs/common';
import { ControlClient, RelayClient } from '@tensorloop/db/control-client';

/** Deletions whose grace is over. Finding them looks across accounts, as the relay; erasing one sees that one alone. */
@Injectable()
export class ErasureRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(RelayClient) private readonly relay: RelayClient,
  ) {}

  async listDue(now: Date, limit: number): Promise<string[]> {
    const rows = await this.relay.tables.account.findMany({
      where: { deleteAfter: { lte: now }, erasedAt: null },
      orderBy: { deleteAfter: 'asc' },
      take: limit,
      select: { id: true },
    });
    return rows.map(({ id }) => id);
  }

  /** False when another replica is at it or was first, or by the database's clock it is not time yet. */
  async erase(accountId: string): Promise<boolean> {
    const [row] = await this.control.withAccount(
      accountId,
      (tx) => tx.$queryRaw<{ erased: boolean }[]>`SELECT control.erase_account(${accountId}::uuid) AS erased`,
    );
    return row?.erased === true;
  }
}
