import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import type { Usage } from '@tensorloop/contracts/usage';
import { Roster } from '@tensorloop/kernel/roster';
import { SlotMap } from '@tensorloop/kernel/slot-map';
import { encodeFrame, FRAME_HEADER_BYTES } from './frame.js';
import { GroupCommit } from './group-commit.js';
import type { AcceptedRecord, JournalEntry } from './journal.types.js';
import { newEntry, replay } from './replay.js';
import type { SegmentFiles } from './segment-files.js';

/** Keeps an `acked` record below the frame's bound: an id and its punctuation take 39 bytes. */
const ACKED_IDS_PER_RECORD = 1_000;

export interface JournalOptions {
  segmentBytes?: number;
}

const priceTexts = new WeakMap<PriceVersion, string>();

/** JSON of a record whose larger half is its price, which it shares with all calls of the model: that half is written once. */
function acceptedText(accepted: AcceptedRecord): string {
  const { price } = accepted;
  let priceText = priceTexts.get(price);
  if (priceText === undefined) {
    priceText = JSON.stringify(price);
    priceTexts.set(price, priceText);
  }
  // A copy of the same shape, in which an absent value is left out, costs less than one without the field.
  const own = JSON.stringify({ ...accepted, price: undefined });
  return `${own.slice(0, -1)},"price":${priceText}}`;
}

/**
 * The gateway's durable memory of calls that metering has not yet acknowledged: the one place from which a call can still be
 * settled after a crash. An entry lives from `accepted` to `acked`; a segment file goes once every call in it, and in every
 * earlier segment, is acknowledged (an `acked` record must outlive the records it cancels).
 */
export class Journal {
  readonly entries = new SlotMap<JournalEntry>();
  private readonly commit: GroupCommit;
  /** How many unacknowledged calls have a record in the segment; which, their entries say. */
  private readonly callsBySegment = new Map<number, number>();
  private readonly callsByAccount = new Map<string, Roster<JournalEntry>>();
  /** Sealed segments, oldest first, and their bytes. */
  private readonly sizeBySegment = new Map<number, number>();

  constructor(
    private readonly files: SegmentFiles,
    options: JournalOptions = {},
  ) {
    const recovered = replay(files);
    for (const [segment, bytes] of recovered.segments) {
      this.sizeBySegment.set(segment, bytes);
      this.callsBySegment.set(segment, 0);
    }
    for (const entry of recovered.entries.values()) {
      this.add(entry.entry);
      for (const segment of entry.segments) this.linkToSegment(entry.entry, segment);
    }
    const firstSegment = Math.max(0, ...recovered.segments.keys()) + 1;
    this.commit = new GroupCommit({
      files,
      firstSegment,
      onSealed: (segment, bytes) => this.sealed(segment, bytes),
      ...(options.segmentBytes === undefined ? {} : { segmentBytes: options.segmentBytes }),
    });
    this.deleteFinishedSegments();
  }

  /** Writes that failed since the last that worked; above 0, admission stops. */
  get failures(): number {
    return this.commit.failures;
  }

  get pendingBytes(): number {
    return this.commit.pendingBytes;
  }

  /** Bytes of all segments on the disk. */
  get diskBytes(): number {
    let bytes = this.commit.writtenBytes;
    for (const size of this.sizeBySegment.values()) bytes += size;
    return bytes;
  }

  /**
   * Resolves once the record is on the disk. Where the client gets no byte before the call is completed (`isWhole`), the record has
   * time until then: whatever is completed takes along what was accepted before it.
   */
  accept(accepted: AcceptedRecord, { isWhole = false }: { isWhole?: boolean } = {}): Promise<void> {
    const entry = newEntry(accepted);
    this.add(entry);
    this.append('accepted', entry, acceptedText(accepted));
    return isWhole ? this.commit.durableSoon() : this.commit.durable();
  }

  /** Rides on the next group commit; a loss costs at most the tokens since the record before. */
  progress(requestId: string, usage: Usage): void {
    const entry = this.entries.get(requestId);
    if (entry === undefined || entry.completed !== null) return;
    entry.progress = usage;
    this.append('progress', entry, JSON.stringify({ requestId, usage }));
    this.commit.flushLater();
  }

  /** Resolves once the event is on the disk. `payload` is the event's JSON, the very bytes that are published. */
  complete(event: RequestCompleted, payload: string): Promise<void> {
    const { requestId } = event;
    const entry = this.entries.get(requestId);
    if (entry === undefined || entry.completed !== null) throw new Error(`call ${requestId} is not open in the journal`);
    const completed: NonNullable<JournalEntry['completed']> = { chargeNanoUsd: event.chargeNanoUsd, at: null };
    entry.completed = completed;
    const frame = encodeFrame('completed', payload);
    this.commit.append(frame, (segment, offset) => {
      this.linkToSegment(entry, segment);
      completed.at = { segment, offset: offset + FRAME_HEADER_BYTES, bytes: frame.length - FRAME_HEADER_BYTES };
    });
    return this.commit.durable();
  }

  /** The payload of a call's event as it was journalled, or null when it is not on the disk yet or any more. */
  async readCompleted(requestId: string): Promise<string | null> {
    const at = this.entries.get(requestId)?.completed?.at;
    return at === undefined || at === null ? null : this.files.readAt(at);
  }

  /** Metering has committed these calls: their entries go. Calls that are unknown or still open are passed over. */
  acknowledge(requestIds: string[]): string[] {
    const known = requestIds.filter((requestId) => this.entries.get(requestId)?.completed?.at);
    if (known.length === 0) return known;
    for (const requestId of known) this.forget(requestId);
    for (let from = 0; from < known.length; from += ACKED_IDS_PER_RECORD) {
      this.commit.append(encodeFrame('acked', JSON.stringify({ requestIds: known.slice(from, from + ACKED_IDS_PER_RECORD) })));
    }
    this.commit.flushLater();
    this.deleteFinishedSegments();
    return known;
  }

  /** Calls of an account that metering is not known to have, open and ended: what a rebuild of Redis must assert. */
  listOfAccount(accountTag: string): JournalEntry[] {
    const entries = this.callsByAccount.get(accountTag)?.list() ?? [];
    return entries.filter((entry) => !entry.isCommitted);
  }

  /** Accounts with a call in the journal. */
  listAccountTags(): string[] {
    return [...this.callsByAccount.keys()];
  }

  /**
   * Metering has committed these calls; their entries stay until Redis knows it too. From here on no rebuild may assert them
   * again: the total it fetches includes them, and the acknowledgement on its way to Redis would no longer take them off.
   */
  noteCommitted(requestIds: readonly string[]): void {
    for (const requestId of requestIds) {
      const entry = this.entries.get(requestId);
      if (entry !== undefined) entry.isCommitted = true;
    }
  }

  /** Resolves once everything appended so far is on the disk. */
  flush(): Promise<void> {
    return this.commit.durable();
  }

  async close(): Promise<void> {
    await this.commit.close();
    await this.files.close();
  }

  private append(type: 'accepted' | 'progress', entry: JournalEntry, payload: string): void {
    this.commit.append(encodeFrame(type, payload), (segment) => this.linkToSegment(entry, segment));
  }

  private linkToSegment(entry: JournalEntry, segment: number): void {
    const { segments } = entry;
    if (segments.at(-1) === segment) return;
    // Most calls lie in one segment, and V8 makes room for 17 at the first `push`.
    if (segments.length === 0) entry.segments = [segment];
    else segments.push(segment);
    this.callsBySegment.set(segment, (this.callsBySegment.get(segment) ?? 0) + 1);
  }

  private add(entry: JournalEntry): void {
    const { requestId, accountTag } = entry.accepted;
    this.entries.set(requestId, entry);
    let calls = this.callsByAccount.get(accountTag);
    if (calls === undefined) {
      calls = new Roster();
      this.callsByAccount.set(accountTag, calls);
    }
    calls.add(entry);
  }

  private forget(requestId: string): void {
    const entry = this.entries.get(requestId) as JournalEntry;
    const { accepted, segments } = entry;
    const calls = this.callsByAccount.get(accepted.accountTag);
    calls?.delete(entry);
    if (calls?.size === 0) this.callsByAccount.delete(accepted.accountTag);
    this.entries.delete(requestId);
    for (const segment of segments) this.callsBySegment.set(segment, (this.callsBySegment.get(segment) as number) - 1);
  }

  private sealed(segment: number, bytes: number): void {
    this.sizeBySegment.set(segment, bytes);
    this.deleteFinishedSegments();
  }

  /** Deletes from the oldest on, as far as segments are sealed and hold no unacknowledged call. */
  private deleteFinishedSegments(): void {
    for (const segment of this.sizeBySegment.keys()) {
      if ((this.callsBySegment.get(segment) ?? 0) > 0) return;
      this.files.delete(segment);
      this.callsBySegment.delete(segment);
      this.sizeBySegment.delete(segment);
    }
  }
}
