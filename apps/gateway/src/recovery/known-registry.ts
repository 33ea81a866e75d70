import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FENCE_AFTER_MS, HEARTBEAT_MS } from '@tensorloop/contracts/gateway-registry';

const FILE = 'gateway-registry';
const PRIVATE_FILE = 0o600;
/** Whoever could not beat for so long may find that nobody else could either: then all but the first to return look dead. */
export const OUTAGE_MS_MAX = FENCE_AFTER_MS / 2;
/** From the end of an outage until everybody has found back and beaten: reconnecting takes a second, beats come every five. */
export const RETURN_MS = 3 * HEARTBEAT_MS;

export interface RegistryState {
  /** Instant of its creation: tells it from any other. */
  bornAt: string;
  ageMs: number;
}

export class RegistryLostError extends Error {
  override readonly name = 'RegistryLostError';
  constructor(why: string) {
    super(`nobody can say yet which gateways are alive: ${why}`);
  }
}

/**
 * Which list of gateways this one has known, kept beside the journal. Where NATS lost its data the list begins anew, and a
 * gateway that is down or away at that moment is missing from it although it has calls to answer for: what it owes would
 * not be counted. So a new list says who is alive only once it is as old as what fences a gateway. The first list that a
 * gateway ever sees is trusted at once: there was none before. After an outage that the list itself has survived all beats are
 * old, and whoever is back first would find itself alone: others are given the time to beat.
 */
export class KnownRegistry {
  private readonly path: string;
  private known: string | null | undefined;
  private beatenAtMs: number | null = null;
  private trustedFromMs = 0;

  /** `nowMs`: monotonic. */
  constructor(
    folder: string,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.path = join(folder, FILE);
  }

  /** Called with every confirmed beat: the first list is remembered while nothing is lost yet. */
  remember({ bornAt }: RegistryState): void {
    if (this.isAfterOutage()) this.trustedFromMs = this.nowMs() + RETURN_MS;
    this.beatenAtMs = this.nowMs();
    if (this.read() === null) this.write(bornAt);
  }

  /** Throws RegistryLostError while the list cannot be complete. */
  check({ bornAt, ageMs }: RegistryState): void {
    if (this.isAfterOutage()) throw new RegistryLostError('this one has not beaten for a while');
    if (this.nowMs() < this.trustedFromMs) throw new RegistryLostError('NATS was away, and others may not have found back');
    const known = this.read();
    if (known === bornAt) return;
    if (known !== null && ageMs < FENCE_AFTER_MS) throw new RegistryLostError(`NATS lost its list of them ${ageMs} ms ago`);
    this.write(bornAt);
  }

  private isAfterOutage(): boolean {
    return this.beatenAtMs !== null && this.nowMs() - this.beatenAtMs > OUTAGE_MS_MAX;
  }

  private read(): string | null {
    this.known ??= readKept(this.path);
    return this.known;
  }

  /** A disk that is full must not keep accounts from being rebuilt: then the next process asks again. */
  private write(bornAt: string): void {
    this.known = bornAt;
    try {
      writeFileSync(this.path, bornAt, { mode: PRIVATE_FILE });
    } catch {
      // Remembered by this process at least.
    }
  }
}

function readKept(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim() || null;
  } catch {
    return null;
  }
}
