import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import type { Frame } from './frame.js';
import type { AcceptedRecord, AckedRecord, JournalEntry, ProgressRecord } from './journal.types.js';
import type { SegmentFiles } from './segment-files.js';

export interface ReplayedEntry {
  entry: JournalEntry;
  segments: number[];
}

export interface Replayed {
  entries: Map<string, ReplayedEntry>;
  /** Segment number → bytes. */
  segments: Map<number, number>;
}

/**
 * Rebuilds what was open from the segment files. Each file is read up to its first record that does not hold; the next file
 * is read all the same, since a batch that failed half-way was written again whole to the file after it.
 */
export function replay(files: SegmentFiles): Replayed {
  const state: Replayed = { entries: new Map(), segments: new Map() };
  for (const segment of files.list()) {
    const { frames, bytes } = files.read(segment);
    state.segments.set(segment, bytes);
    for (const frame of frames) applyFrame(state, frame, segment);
  }
  return state;
}

/** Of a call that was just admitted. */
export function newEntry(accepted: AcceptedRecord): JournalEntry {
  return { accepted, progress: null, completed: null, isCommitted: false, segments: [], rosterIndex: -1 };
}

function applyFrame(state: Replayed, frame: Frame, segment: number): void {
  const record: unknown = JSON.parse(frame.payload);
  if (frame.type === 'acked') {
    for (const requestId of (record as AckedRecord).requestIds) state.entries.delete(requestId);
    return;
  }
  const { requestId } = record as { requestId: string };
  if (frame.type === 'accepted') {
    if (!state.entries.has(requestId)) {
      state.entries.set(requestId, {
        entry: newEntry(record as AcceptedRecord),
        segments: [segment],
      });
    }
    return;
  }
  const replayed = state.entries.get(requestId);
  if (replayed === undefined) return;
  if (replayed.segments.at(-1) !== segment) replayed.segments.push(segment);
  if (frame.type === 'progress') replayed.entry.progress = (record as ProgressRecord).usage;
  else {
    const { chargeNanoUsd } = record as RequestCompleted;
    replayed.entry.completed = { chargeNanoUsd, at: { segment, offset: frame.payloadOffset, bytes: frame.payloadBytes } };
  }
}
