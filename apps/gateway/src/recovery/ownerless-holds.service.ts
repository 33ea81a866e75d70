import type { OpenEntry } from '@tensorloop/admission/admission.types';
import type { AdmissionView } from '@tensorloop/admission/admission-view';
import type { Journal } from '../journal/journal.service.js';
import type { RedisWrites } from '../settlement/redis-writes.service.js';

/** Between the two looks at the start. An admission on its way ends far sooner, in the journal or refused. */
export const SECOND_LOOK_MS = 5_000;
/** What the last run of this gateway left is known after the second. */
const STARTING_LOOKS = 2;
/** Between later looks: each reads the pending entries of every account. */
export const LOOK_INTERVAL_MS = 300_000;
/** A gateway that nobody has seen for this long will not settle its holds any more: thirty times the fence. */
export const LOST_AFTER_MS = 15 * 60_000;

export interface OwnerlessHoldsParts {
  gatewayId: string;
  journal: Pick<Journal, 'entries'>;
  writes: Pick<RedisWrites, 'release'>;
  view: Pick<AdmissionView, 'listAccountTags' | 'listOpen'>;
  /** Ids of all live gateways. Rejects when NATS cannot say. */
  listLive: () => Promise<string[]>;
  /** Told of each hold that was released. `gatewayId` = whose it was. */
  onReleased: (hold: OpenEntry) => void;
  onProblem: (error: unknown) => void;
  /** Unix ms by Redis's clock, which stamps the holds. */
  redisNowMs: () => number;
  /** Monotonic ms; a test passes its own. */
  clock?: () => number;
}

/**
 * Gives back holds whose call nobody will ever settle: our own that never reached our journal, and those of a gateway that is
 * lost together with its journal. Our own is ownerless when two looks in a row find it held and not in the journal, whatever
 * any clock shows. Another gateway is lost when nobody has seen it for LOST_AFTER_MS of this process's own time; and only its
 * holds of that age go, because a gateway that is merely cut off from NATS goes on serving.
 *
 * What has cost something is never touched: a settled entry stays until metering's total includes it.
 */
export class OwnerlessHolds {
  private suspects = new Set<string>();
  private readonly absentSinceMs = new Map<string, number>();
  private readonly clock: () => number;
  private timer: NodeJS.Timeout | null = null;
  private isStopping = false;
  private looks = 0;

  constructor(private readonly parts: OwnerlessHoldsParts) {
    this.clock = parts.clock ?? (() => performance.now());
  }

  /** Not before this gateway is registered: another one of the same id would have its holds released here. */
  start(): void {
    if (this.isStopping || this.timer !== null) return;
    void this.lookAgain();
  }

  stop(): void {
    this.isStopping = true;
    if (this.timer !== null) clearTimeout(this.timer);
  }

  /** One look at every account. Returns how many holds were given back. */
  async look(): Promise<number> {
    const { view } = this.parts;
    const live = await this.listLive();
    const suspects = new Set<string>();
    const seen = new Set<string>();
    let released = 0;
    for await (const accountTag of view.listAccountTags()) {
      for (const entry of await view.listOpen(accountTag)) {
        if (this.isStopping) return released;
        seen.add(entry.gatewayId);
        if (entry.state !== 'held') continue;
        const isOwnerless = this.isOurs(entry) ? this.isSuspectAgain(entry, suspects) : this.isOfLost(entry, live);
        if (!isOwnerless) continue;
        await this.parts.writes.release(accountTag, entry.requestId);
        this.parts.onReleased(entry);
        released += 1;
      }
    }
    this.suspects = suspects;
    for (const gatewayId of this.absentSinceMs.keys()) if (!seen.has(gatewayId)) this.absentSinceMs.delete(gatewayId);
    return released;
  }

  private isOurs(entry: OpenEntry): boolean {
    return entry.gatewayId === this.parts.gatewayId;
  }

  /** The journal is asked after Redis: a call that was admitted meanwhile is in it. */
  private isSuspectAgain({ requestId }: OpenEntry, suspects: Set<string>): boolean {
    if (this.parts.journal.entries.has(requestId)) return false;
    if (this.suspects.has(requestId)) return true;
    suspects.add(requestId);
    return false;
  }

  private isOfLost({ gatewayId, admittedAtMs }: OpenEntry, live: ReadonlySet<string> | null): boolean {
    if (live === null) return false;
    if (live.has(gatewayId)) {
      this.absentSinceMs.delete(gatewayId);
      return false;
    }
    const nowMs = this.clock();
    const sinceMs = this.absentSinceMs.get(gatewayId) ?? nowMs;
    this.absentSinceMs.set(gatewayId, sinceMs);
    return nowMs - sinceMs >= LOST_AFTER_MS && this.parts.redisNowMs() - admittedAtMs >= LOST_AFTER_MS;
  }

  /** Null when nobody can say. Then nobody's absence was observed either, and each has to be observed anew. */
  private async listLive(): Promise<ReadonlySet<string> | null> {
    try {
      return new Set(await this.parts.listLive());
    } catch {
      this.absentSinceMs.clear();
      return null;
    }
  }

  /** A look that could not be taken, because Redis is not there yet, is not one of the two that a start needs. */
  private async lookAgain(): Promise<void> {
    try {
      await this.look();
      this.looks += 1;
    } catch (err) {
      this.parts.onProblem(err);
    }
    if (this.isStopping) return;
    const waitMs = this.looks < STARTING_LOOKS ? SECOND_LOOK_MS : LOOK_INTERVAL_MS;
    this.timer = setTimeout(() => void this.lookAgain(), waitMs);
    this.timer.unref();
  }
}
