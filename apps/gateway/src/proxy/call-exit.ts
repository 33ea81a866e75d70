import type { Outcome } from '@tensorloop/contracts/request-completed';

/** What can happen to a call that ends it. The first one decides; later ones are noise of the same end. */
export type ExitSignal =
  /** The upstream's answer is whole. */
  | 'answer_complete'
  /** No answer: refused, timed out, or a status of 400 and above. */
  | 'upstream_failed'
  /** The upstream broke off inside its answer. */
  | 'upstream_cut'
  /** Reading on for a client that left has hit its bound. */
  | 'drain_capped'
  /** This gateway is ending and cannot wait for the upstream any longer. */
  | 'gateway_ending';

const OUTCOMES: Record<ExitSignal, { withClient: Outcome; withoutClient: Outcome }> = {
  answer_complete: { withClient: 'completed', withoutClient: 'client_aborted' },
  upstream_failed: { withClient: 'upstream_error', withoutClient: 'upstream_error' },
  upstream_cut: { withClient: 'upstream_cut', withoutClient: 'upstream_cut' },
  drain_capped: { withClient: 'drain_capped', withoutClient: 'drain_capped' },
  gateway_ending: { withClient: 'gateway_died', withoutClient: 'gateway_died' },
};

/** Outcomes that charge nothing (spec TL-9: a failed upstream call costs the customer nothing). */
export function isFree(outcome: Outcome): boolean {
  return outcome === 'upstream_error' || outcome === 'upstream_cut';
}

/**
 * The single exit of a call. Timeouts, socket errors, aborts and ends race each other; whoever signals first gets the outcome
 * and must settle the call, and everybody after it gets null.
 */
export class CallExit {
  isClientGone = false;
  private ended: Outcome | null = null;

  get outcome(): Outcome | null {
    return this.ended;
  }

  /** The client closed its connection. Ends nothing: the upstream is read to its end and charged in full (spec TL-9). */
  clientLeft(): void {
    this.isClientGone = true;
  }

  signal(signal: ExitSignal): Outcome | null {
    if (this.ended !== null) return null;
    const outcomes = OUTCOMES[signal];
    this.ended = this.isClientGone ? outcomes.withoutClient : outcomes.withClient;
    return this.ended;
  }
}
