import type { AdmissionGate } from '../admission/admission-gate.service.js';
import { overloaded } from '../admission/admission-problems.service.js';
import { type ApiError, unavailable } from '../errors/api-error.types.js';
import type { DiskGuard } from '../journal/disk-guard.service.js';
import type { ModelStore } from '../models/model-store.service.js';
import { type RedisWrites, WAITING_MAX } from '../settlement/redis-writes.service.js';
import type { Shipper } from '../settlement/shipper.service.js';
import type { Lateness } from './lateness.service.js';
import type { OpenCalls } from './open-calls.service.js';

/**
 * Ended calls that metering has not acknowledged. Each costs about a kilobyte of memory besides its place in the journal, so
 * this bound is reached before the journal's own.
 */
export const UNACKNOWLEDGED_MAX = 300_000;
/** Calls open at the same time in one gateway, those that ask to be admitted included. */
export const OPEN_CALLS_MAX = 20_000;
/** With fewer open calls than this it is not their number that makes them late, and refusing one would help none. */
export const SHED_OPEN_CALLS_MIN = 80;
const RETRY_SECONDS = 1;
const START_RETRY_SECONDS = 2;

export interface CapacityParts {
  disk: Pick<DiskGuard, 'problem'>;
  models: Pick<ModelStore, 'isReady'>;
  writes: Pick<RedisWrites, 'size'>;
  shipper: Pick<Shipper, 'backlog'>;
  openCalls: Pick<OpenCalls, 'size'>;
  gate: Pick<AdmissionGate, 'waiting' | 'refuses'>;
  lateness: Pick<Lateness, 'sheds'>;
}

/** Whether this gateway may take on another call at all, before anyone is asked whether the caller may make it. */
export class Capacity {
  private isDraining = false;
  private hasRecovered = false;

  constructor(private readonly parts: CapacityParts) {}

  /** What the journal held at the start is settled or on its way. */
  recovered(): void {
    this.hasRecovered = true;
  }

  /** From now on no call is taken. */
  drain(): void {
    this.isDraining = true;
  }

  /** For readiness; null = calls are taken. */
  problem(): string | null {
    if (this.isDraining) return 'shutting down';
    if (!this.hasRecovered) return 'settling what the last run left';
    if (!this.parts.models.isReady) return 'models and prices have not arrived yet';
    if (this.parts.writes.size > WAITING_MAX) return 'too many settlements wait for Redis';
    if (this.parts.shipper.backlog >= UNACKNOWLEDGED_MAX) return 'metering is too far behind';
    if (this.parts.openCalls.size + this.parts.gate.waiting >= OPEN_CALLS_MAX) return 'too many open calls';
    return this.parts.disk.problem();
  }

  /**
   * Whether the call at hand is one too many. Asked once per call and before its body is read: what is refused has to cost little, or
   * refusing is what the gateway is busy with. What else stands in the way is told by `refusal`.
   */
  overload(): ApiError | null {
    const { openCalls, gate, lateness } = this.parts;
    return gate.refuses() || (openCalls.size >= SHED_OPEN_CALLS_MIN && lateness.sheds()) ? overloaded() : null;
  }

  refusal(): ApiError | null {
    const problem = this.problem();
    if (problem === null) return null;
    if (this.isDraining) {
      const error = unavailable('shutting_down', 'This gateway is shutting down; the call was not made.', RETRY_SECONDS);
      // The client's next attempt is to find another gateway, not this connection.
      return { ...error, headers: { ...error.headers, connection: 'close' } };
    }
    if (!this.hasRecovered || !this.parts.models.isReady) {
      return unavailable(
        'admission_unavailable',
        'This gateway is still starting; the call was not made.',
        START_RETRY_SECONDS,
      );
    }
    return unavailable(
      'journal_full',
      'This gateway cannot take on more calls at the moment; the call was not made.',
      RETRY_SECONDS,
    );
  }
}
