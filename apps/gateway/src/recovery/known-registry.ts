import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FENCE_AFTER_MS } from '@tensorloop/contracts/gateway-registry';

const FILE = 'gateway-registry';
const PRIVATE_FILE = 0o600;

export interface RegistryState {
  /** Instant of its creation: tells it from any other. */
  bornAt: string;
  ageMs: number;
}

export class RegistryLostError extends Error {
  override readonly name = 'RegistryLostError';
  constructor(ageMs: number) {
    super(`NATS lost its list of gateways ${ageMs} ms ago; before ${FENCE_AFTER_MS} ms nobody can say which others are alive`);
  }
}

/**
 * Which list of gateways this one has known, kept beside the journal. Where NATS lost its data the list begins anew, and a
 * gateway that is down or away at that moment is missing from it although it has calls to answer for: what it owes would
 * not be counted. So a new list says who is alive only once it is as old as what fences a gateway. The first list that a
 * gateway ever sees is trusted at once: there was none before.
 */
export class KnownRegistry {
  private readonly path: string;
  private known: string | null | undefined;

  constructor(folder: string) {
    this.path = join(folder, FILE);
  }

  /** Called with every beat: the first list is remembered while nothing is lost yet. */
  remember({ bornAt }: RegistryState): void {
    if (this.read() === null) this.write(bornAt);
  }

  /** Throws RegistryLostError while the list cannot be complete. */
  check({ bornAt, ageMs }: RegistryState): void {
    const known = this.read();
    if (known === bornAt) return;
    if (known !== null && ageMs < FENCE_AFTER_MS) throw new RegistryLostError(ageMs);
    this.write(bornAt);
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
