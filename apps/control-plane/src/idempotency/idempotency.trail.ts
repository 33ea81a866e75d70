import { AsyncLocalStorage } from 'node:async_hooks';
import { Injectable } from '@nestjs/common';
import type { ControlTransaction } from '@tensorloop/db/control-client';
import { idempotencyProblems } from './idempotency.errors.js';
import { idOf, type Reservation } from './idempotency.types.js';

const RETRY_HEADERS = { 'retry-after': '1' };

interface Run {
  reservation: Reservation;
  status: number;
  hasRecorded: boolean;
}

/**
 * Records the answer of a request with an Idempotency-Key in the transaction of its effect. Every route with `@Idempotent()`
 * calls it; without that header it does nothing.
 */
@Injectable()
export class IdempotencyTrail {
  private readonly running = new AsyncLocalStorage<Run>();

  /** Runs `work` as what the reservation is for; `status` is what it is answered with. */
  async follow<T>(
    { reservation, status }: { reservation: Reservation; status: number },
    work: () => Promise<T>,
  ): Promise<{ result: T; hasRecorded: boolean }> {
    const run = { reservation, status, hasRecorded: false };
    const result = await this.running.run(run, work);
    return { result, hasRecorded: run.hasRecorded };
  }

  /**
   * `tx` is the transaction that makes the effect, `body` the answer to repeat. Never a secret in it: those who repeat a mint
   * are told that it happened, not what it showed. An effect that may be undone is not final until `close` says so.
   */
  async record(tx: ControlTransaction, body: object, { isFinal }: { isFinal: boolean } = { isFinal: true }): Promise<void> {
    const run = this.running.getStore();
    if (run === undefined) return;
    const { reservation, status } = run;
    const { count } = await tx.idempotentRequest.updateMany({
      where: { ...idOf(reservation), createdAt: reservation.reservedAt },
      // As JSON has it: what the column gives back later is what is answered.
      data: { status, response: JSON.parse(JSON.stringify(body)) as object, isFinal },
    });
    // Somebody took this request for dead and repeats it. Now that this one fails, it is.
    if (count !== 1) throw idempotencyProblems.idempotency_in_flight({ headers: RETRY_HEADERS });
    run.hasRecorded = true;
  }

  /**
   * Like `record`, for an effect in an account that did not exist when the request came. From here on the transaction sees
   * the account that the request was made for, and nothing else: it is to be the last step.
   */
  async recordLast(tx: ControlTransaction, body: object): Promise<void> {
    const run = this.running.getStore();
    if (run === undefined) return;
    await tx.$queryRaw`SELECT set_config('app.account_id', ${run.reservation.accountId}, true)`;
    await this.record(tx, body);
  }

  /** Whether the request has an answer to record at all. */
  get isFollowing(): boolean {
    return this.running.getStore() !== undefined;
  }

  /** For an effect that will not be undone: whoever repeats the request is told of it from here on. */
  async close(tx: ControlTransaction): Promise<void> {
    const run = this.running.getStore();
    if (run === undefined) return;
    const { reservation } = run;
    const where = { ...idOf(reservation), createdAt: reservation.reservedAt };
    await tx.idempotentRequest.updateMany({ where, data: { isFinal: true } });
  }

  /**
   * For an effect that is about to be undone, in the transaction that does so: a repetition makes it anew. False when somebody
   * was told of it meanwhile; then it must stay.
   */
  async withdraw(tx: ControlTransaction): Promise<boolean> {
    const run = this.running.getStore();
    if (run === undefined) return true;
    const { reservation } = run;
    const where = { ...idOf(reservation), createdAt: reservation.reservedAt, isFinal: false };
    return (await tx.idempotentRequest.deleteMany({ where })).count === 1;
  }
}
