import { Inject, Injectable } from '@nestjs/common';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { type IdempotentRequest, idOf, type KnownRequest, type Reservation } from './idempotency.types.js';

@Injectable()
export class IdempotencyRepository {
  constructor(@Inject(ControlClient) private readonly control: ControlClient) {}

  /** True when the key was free and is now the caller's. */
  reserve({ reservedAt, ...request }: Reservation): Promise<boolean> {
    return this.control.withAccount(request.accountId, (tx) => insert(tx, request, reservedAt));
  }

  /** In place of a reservation that is over; false when another request did so first. */
  takeOver({ reservedAt, ...request }: Reservation, before: KnownRequest): Promise<boolean> {
    return this.control.withAccount(request.accountId, async (tx) => {
      const { count } = await tx.idempotentRequest.deleteMany({ where: { ...idOf(request), createdAt: before.reservedAt } });
      return count === 1 && insert(tx, request, reservedAt);
    });
  }

  async find(request: IdempotentRequest): Promise<KnownRequest | null> {
    const row = await this.control.withAccount(request.accountId, (tx) =>
      tx.idempotentRequest.findUnique({ where: { accountId_actorId_route_key: idOf(request) } }),
    );
    if (row === null) return null;
    const { bodyHash, createdAt: reservedAt, status, response, isFinal } = row;
    return { bodyHash, reservedAt, isFinal, answer: status === null ? null : { status, body: response } };
  }

  /** From here on the effect is not undone any more. False when it was, or somebody else said so first. */
  async close(request: IdempotentRequest, { reservedAt }: KnownRequest): Promise<boolean> {
    const { count } = await this.control.withAccount(request.accountId, (tx) =>
      tx.idempotentRequest.updateMany({
        where: { ...idOf(request), createdAt: reservedAt, isFinal: false },
        data: { isFinal: true },
      }),
    );
    return count === 1;
  }

  /** Frees the key of a request that had no effect. An answer that was recorded stays: its effect was committed. */
  async release(reservation: Reservation): Promise<void> {
    await this.control.withAccount(reservation.accountId, (tx) =>
      tx.idempotentRequest.deleteMany({ where: { ...idOf(reservation), createdAt: reservation.reservedAt, status: null } }),
    );
  }

  /** Deletes what is remembered no longer, of all accounts; how many rows it was. */
  async purge(rowsMax: number): Promise<number> {
    const rows = await this.control.within(
      {},
      (tx) => tx.$queryRaw<{ purged: number }[]>`SELECT control.purge_idempotent_requests(${rowsMax}::integer) AS purged`,
    );
    return rows[0]?.purged ?? 0;
  }
}

async function insert(tx: ControlTransaction, request: IdempotentRequest, createdAt: Date): Promise<boolean> {
  const { count } = await tx.idempotentRequest.createMany({ data: { ...request, createdAt }, skipDuplicates: true });
  return count === 1;
}
