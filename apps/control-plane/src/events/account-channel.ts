import { randomBytes } from 'node:crypto';
import type { ChangeKind } from '@tensorloop/contracts/account-changed';
import type { LiveEvent, LiveListener } from './events.types.js';

/** Events kept for those who come back: with two a second at most, several minutes of them. */
export const EVENTS_KEPT_MAX = 500;
const NAME_BYTES = 6;
const EVENT_ID = /^([0-9a-f]+)\.(\d{1,15})$/;

/** What happened to one account while this process listened. Ids are of this channel alone: those of another mean "start anew". */
export class AccountChannel {
  private readonly name = randomBytes(NAME_BYTES).toString('hex');
  private readonly listeners = new Set<LiveListener>();
  private readonly kept: LiveEvent[] = [];
  private sequence = 0;

  get listenerCount(): number {
    return this.listeners.size;
  }

  changed(kinds: readonly ChangeKind[]): void {
    if (kinds.length > 0) this.push({ id: this.nextId(), type: 'changed', kinds });
  }

  /** Something may have been missed. What was kept is no use to anybody any more. */
  reset(): void {
    this.kept.length = 0;
    this.push({ id: this.nextId(), type: 'reset' });
  }

  /**
   * Adds a listener. One that comes back with the id of the last event it saw hears what it missed, or `reset` where that is not
   * known any more. Returns what ends it.
   */
  join(listener: LiveListener, lastEventId: string | null): () => void {
    const missed = this.missedSince(lastEventId);
    // Who is cut off again before what it missed has come must not come back with an id that is behind it.
    listener({ id: missed.length === 0 ? this.currentId() : null, type: 'ready' });
    for (const event of missed) listener(event);
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private missedSince(lastEventId: string | null): LiveEvent[] {
    if (lastEventId === null) return [];
    const [, name, digits] = EVENT_ID.exec(lastEventId) ?? [];
    const seen = Number(digits);
    const oldest = this.sequence - this.kept.length;
    const isKnown = name === this.name && seen >= oldest && seen <= this.sequence;
    return isKnown ? this.kept.slice(seen - oldest) : [{ id: this.currentId(), type: 'reset' }];
  }

  private push(event: LiveEvent): void {
    this.kept.push(event);
    if (this.kept.length > EVENTS_KEPT_MAX) this.kept.shift();
    for (const listener of this.listeners) listener(event);
  }

  private currentId(): string {
    return `${this.name}.${this.sequence}`;
  }

  private nextId(): string {
    this.sequence += 1;
    return this.currentId();
  }
}
