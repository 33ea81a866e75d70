import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock.js';
import { idempotencyProblems } from './idempotency.errors.js';
import { IdempotencyRepository } from './idempotency.repository.js';
import { judge } from './idempotency.rules.js';
import { IdempotencyTrail } from './idempotency.trail.js';
import type { IdempotentRequest, RecordedAnswer, Reservation } from './idempotency.types.js';

/** Between two requests with one key the first may be released, or taken over, at any moment; then the other looks again. */
const ATTEMPTS_MAX = 3;
const RETRY_HEADERS = { 'retry-after': '1' };

/**
 * Carries requests with an Idempotency-Key out once. The key is reserved before the effect, and the answer is recorded in the
 * effect's own transaction: both are committed or neither, so that there is no moment at which a crash would leave an effect
 * that a repetition makes again.
 */
@Injectable()
export class IdempotencyService {
  constructor(
    @Inject(IdempotencyRepository) private readonly repository: IdempotencyRepository,
    @Inject(IdempotencyTrail) private readonly trail: IdempotencyTrail,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** The right to carry the request out, or the answer that it was given before. Throws while the first is under way. */
  async reserve(request: IdempotentRequest): Promise<Reservation | RecordedAnswer> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const reservation = { ...request, reservedAt: new Date(this.clock()) };
      if (await this.repository.reserve(reservation)) return reservation;
      const known = await this.repository.find(request);
      if (known === null) continue;
      const verdict = judge(known, request.bodyHash, this.clock());
      if (verdict.kind === 'replay') return verdict.answer;
      if (verdict.kind === 'open' && (await this.repository.close(reservation, known))) return verdict.answer;
      if (verdict.kind === 'other_body') throw idempotencyProblems.idempotency_key_reused();
      if (verdict.kind === 'over' && (await this.repository.takeOver(reservation, known))) return reservation;
      if (verdict.kind === 'in_flight') break;
    }
    throw idempotencyProblems.idempotency_in_flight({ headers: RETRY_HEADERS });
  }

  /** Runs what a reservation is for. A request that fails before its effect frees the key: it may be repeated, corrected or not. */
  async carryOut<T>(carried: { reservation: Reservation; status: number }, work: () => Promise<T>): Promise<T> {
    const { reservation } = carried;
    try {
      const { result, hasRecorded } = await this.trail.follow(carried, work);
      if (!hasRecorded) throw new Error(`${reservation.route} is idempotent but recorded no answer in its transaction`);
      return result;
    } catch (err) {
      await this.repository.release(reservation);
      throw err;
    }
  }
}
