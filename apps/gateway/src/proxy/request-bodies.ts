import type { ServerResponse } from 'node:http';
import { ByteBudget } from './byte-budget.js';

/** Largest request body: a context of a million tokens, or a few images, with room. */
export const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** Bodies that take no more than this are not counted: connections are what they are bounded by. */
export const UNCOUNTED_BYTES_MAX = 16 * 1024;
/** What a piece of a body takes in memory besides its bytes. */
export const PIECE_BYTES = 256;
/** All larger bodies together take at most this much. */
export const BODIES_BYTES_MAX = 1024 * 1024 * 1024;
/** Of what memory there is: a body is there up to three times, as it came, as it was read and as it is sent. */
const SHARE_OF_MEMORY = 1 / 6;
/** A single one has to find room even where memory is short. */
const BODIES_BYTES_MIN = 2 * BODY_BYTES_MAX;

function bytesMax(): number {
  return Math.max(BODIES_BYTES_MIN, Math.min(BODIES_BYTES_MAX, process.availableMemory() * SHARE_OF_MEMORY));
}

/**
 * The memory of all request bodies. A body arrives before anybody has looked at its key, so without a bound over all of them
 * strangers could fill the memory with a hundred requests.
 */
export class RequestBodies {
  constructor(private readonly budget: ByteBudget = new ByteBudget(bytesMax())) {}

  /** For one request. What it takes is given back when whoever holds it lets go, or when its response is over and nobody does. */
  lease(res: ServerResponse): BodyLease {
    return new BodyLease(this.budget, res);
  }
}

/** What one body takes of the memory of all. */
export class BodyLease {
  private taken = 0;
  private isHeld = false;

  constructor(
    private readonly budget: ByteBudget,
    private readonly res: ServerResponse,
  ) {}

  /** The body has come so far; false = there is no room for it. */
  grownTo(bytes: number, pieces: number): boolean {
    const takes = bytes + pieces * PIECE_BYTES;
    if (takes <= UNCOUNTED_BYTES_MAX && this.taken === 0) return true;
    if (this.res.closed || !this.budget.take(takes - this.taken)) return false;
    if (this.taken === 0) {
      this.res.once('close', () => {
        if (!this.isHeld) this.giveBack();
      });
    }
    this.taken = takes;
    return true;
  }

  /** Somebody works on the body, whether its client is there or not. */
  hold(): void {
    this.isHeld = true;
  }

  /** Nobody refers to the body any more, whether its client takes the answer or not. */
  letGo(): void {
    this.isHeld = false;
    this.giveBack();
  }

  private giveBack(): void {
    this.budget.give(this.taken);
    this.taken = 0;
  }
}
