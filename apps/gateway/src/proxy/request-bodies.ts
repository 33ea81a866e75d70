import type { IncomingMessage, ServerResponse } from 'node:http';
import { ByteBudget } from './byte-budget.js';

/** Largest request body: a context of a million tokens, or a few images, with room. */
export const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** Bodies up to this size are not counted: the bound on open calls bounds them too. */
export const UNCOUNTED_BYTES_MAX = 16 * 1024;
/** Of all larger bodies together at most this much is kept in memory, and no more than half of what there is. */
export const BODIES_BYTES_MAX = 1024 * 1024 * 1024;
const SHARE_OF_MEMORY = 0.5;

function bytesMax(): number {
  return Math.min(BODIES_BYTES_MAX, process.availableMemory() * SHARE_OF_MEMORY);
}

/**
 * The memory of all request bodies. A body arrives before anybody has looked at its key, so without a bound over all of them
 * strangers could fill the memory with a hundred requests.
 */
export class RequestBodies {
  constructor(private readonly budget: ByteBudget = new ByteBudget(bytesMax())) {}

  get bytesTaken(): number {
    return this.budget.bytesTaken;
  }

  /** For one request; what it took is given back once its response is over. */
  lease(res: ServerResponse): BodyLease {
    return new BodyLease(this.budget, res);
  }

  /** Takes all that a request may send, for a reader that cannot count what arrives; false = there is no room. */
  reserve(req: IncomingMessage, res: ServerResponse): boolean {
    return this.lease(res).grownTo(declaredBytes(req));
  }
}

/** By its head; one that is sent in pieces may be as long as any. */
function declaredBytes({ headers }: IncomingMessage): number {
  if (headers['transfer-encoding'] !== undefined) return BODY_BYTES_MAX;
  return Number(headers['content-length'] ?? 0);
}

export class BodyLease {
  private taken = 0;

  constructor(
    private readonly budget: ByteBudget,
    private readonly res: ServerResponse,
  ) {}

  /** The body has `bytes` now; false = there is no room for it. */
  grownTo(bytes: number): boolean {
    if (bytes <= UNCOUNTED_BYTES_MAX) return true;
    if (this.res.closed || !this.budget.take(bytes - this.taken)) return false;
    if (this.taken === 0) this.res.once('close', () => this.budget.give(this.taken));
    this.taken = bytes;
    return true;
  }
}
