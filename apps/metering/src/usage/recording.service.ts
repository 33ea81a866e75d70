import { Injectable } from '@nestjs/common';
import { uuid7Day } from '@tensorloop/kernel/uuid7';
import type { Tx } from '../database/database.types.js';
import { type BookedCall, type Correction, corrected, judgeCopy } from './correction.types.js';
import { RecordingRepository } from './recording.repository.js';
import type { PricedCall } from './usage.types.js';

export interface RecordedCalls {
  /** Written now: these are to be charged. */
  fresh: PricedCall[];
  /** Written already, with the same content or with what makes it none the wiser. */
  duplicates: PricedCall[];
  /** Written already as an estimate, which is replaced by now: the difference is to be charged. */
  corrections: Correction[];
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
    await this.recordings.insertTags(tx, fresh);
    if (fresh.length === calls.length) return { fresh, duplicates: [], corrections: [], mismatches: [] };
    const others = calls.filter((call) => !isFresh(call));
    return { fresh, ...(await this.compare(tx, others)) };
  }

  /** Tells second copies from altered ones by what is written, be it of this batch or of another. */
  private async compare(tx: Tx, calls: readonly PricedCall[]): Promise<Omit<RecordedCalls, 'fresh'>> {
    const hashes = await this.recordings.listHashes(tx, ...idsOf(calls));
    const isSame = (call: PricedCall) => hashes.get(call.event.requestId)?.equals(call.payloadHash) === true;
    const others = calls.filter((call) => !isSame(call));
    const duplicates = calls.filter(isSame);
    if (others.length === 0) return { duplicates, corrections: [], mismatches: [] };
    const judged = await this.judge(tx, others);
    return { ...judged, duplicates: [...duplicates, ...judged.duplicates] };
  }

  /** Rare: calls whose row says something else than they do. Estimates are replaced here, each at most once. */
  private async judge(tx: Tx, calls: readonly PricedCall[]): Promise<Omit<RecordedCalls, 'fresh'>> {
    const rows: Map<string, BookedCall> = await this.recordings.lockBooked(tx, ...idsOf(calls));
    const judged: Omit<RecordedCalls, 'fresh'> = { duplicates: [], corrections: [], mismatches: [] };
    for (const call of calls) {
      const booked = rows.get(call.event.requestId);
      const copy = booked === undefined ? 'mismatch' : judgeCopy(booked, call);
      if (booked === undefined || copy === 'mismatch') judged.mismatches.push(call);
      else if (copy === 'duplicate') judged.duplicates.push(call);
      else {
        judged.corrections.push({ booked, call });
        rows.set(call.event.requestId, corrected(booked, call));
      }
    }
    if (judged.corrections.length > 0) await this.recordings.correct(tx, judged.corrections);
    return judged;
  }
}

/** Ids, each once and sorted, and the days in which their rows are. */
function idsOf(calls: readonly PricedCall[]): [requestIds: string[], days: string[]] {
  const ids = [...new Set(calls.map((call) => call.event.requestId))].sort();
  return [ids, [...new Set(ids.map(uuid7Day))]];
}

/** All replicas take the rows in the same order, so that two batches with common ids wait instead of deadlocking. */
function sortedById(calls: readonly PricedCall[]): PricedCall[] {
  return calls.toSorted((a, b) => (a.event.requestId < b.event.requestId ? -1 : 1));
}
