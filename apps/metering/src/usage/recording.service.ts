import { Injectable } from '@nestjs/common';
import { uuid7Day } from '@tensorloop/kernel/uuid7';
import type { Tx } from '../database/database.types.js';
import { RecordingRepository } from './recording.repository.js';
import type { PricedCall } from './usage.types.js';

export interface RecordedCalls {
  /** Written now: these are to be charged. */
  fresh: PricedCall[];
  /** Written already, with the same content. */
  duplicates: PricedCall[];
  /** Written already, with other content: somebody's id was used again. */
  mismatches: PricedCall[];
}

@Injectable()
export class RecordingService {
  constructor(private readonly recordings: RecordingRepository) {}

  /**
   * Writes one usage row per call that has none. The rows decide, for ever, which calls are charged. `calls` are in the
   * order of the stream: where two share an id, the first is written.
   */
  async record(tx: Tx, calls: readonly PricedCall[]): Promise<RecordedCalls> {
    const firsts = new Map<string, PricedCall>();
    for (const call of calls) {
      if (!firsts.has(call.event.requestId)) firsts.set(call.event.requestId, call);
    }
    const inserted = firsts.size === 0 ? new Set<string>() : await this.recordings.insert(tx, sortedById([...firsts.values()]));
    const isFresh = (call: PricedCall) => inserted.has(call.event.requestId) && firsts.get(call.event.requestId) === call;
    const fresh = calls.filter(isFresh);
    if (fresh.length === calls.length) return { fresh, duplicates: [], mismatches: [] };
    const others = calls.filter((call) => !isFresh(call));
    return { fresh, ...(await this.compare(tx, others)) };
  }

  /** Tells second copies from altered ones by what is written, be it of this batch or of another. */
  private async compare(tx: Tx, calls: readonly PricedCall[]): Promise<Pick<RecordedCalls, 'duplicates' | 'mismatches'>> {
    const ids = [...new Set(calls.map((call) => call.event.requestId))];
    const hashes = await this.recordings.listHashes(tx, ids, [...new Set(ids.map(uuid7Day))]);
    const isSame = (call: PricedCall) => hashes.get(call.event.requestId)?.equals(call.payloadHash) === true;
    return { duplicates: calls.filter(isSame), mismatches: calls.filter((call) => !isSame(call)) };
  }
}

/** All replicas take the rows in the same order, so that two batches with common ids wait instead of deadlocking. */
function sortedById(calls: readonly PricedCall[]): PricedCall[] {
  return calls.toSorted((a, b) => (a.event.requestId < b.event.requestId ? -1 : 1));
}
