import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import type { Usage } from '@tensorloop/contracts/usage';
import type { RosterMember } from '@tensorloop/kernel/roster';

/** Everything frozen at admission that settling, pricing and reporting a call need, however late they happen. */
export type AcceptedRecord = Pick<
  RequestCompleted,
  | 'requestId'
  | 'accountId'
  | 'accountTag'
  | 'keyId'
  | 'model'
  | 'endpoint'
  | 'gatewayId'
  | 'stream'
  | 'admittedAtMs'
  | 'windowIndex'
  | 'windowStartMs'
  | 'day'
  | 'priceVersionId'
  | 'holdNanoUsd'
  | 'isPrepaid'
  | 'projectId'
  | 'projectWindowIndex'
  | 'projectWindowStartMs'
  | 'tags'
> & {
  /** It counts among its key's calls in flight, because that number is limited. */
  isParallelCounted?: true;
  /** What it counts against its key's token limit until it ends. */
  tokensCounted?: number;
  /** Bytes of the request body, for whoever reads a journal. */
  promptBytes: number;
  /** The frozen price itself, so that a call can be settled on a machine that has lost its price book. */
  price: PriceVersion;
};

export interface ProgressRecord {
  requestId: string;
  /** Counted so far by us, never above what was delivered. */
  usage: Usage;
}

export interface AckedRecord {
  requestIds: string[];
}

/** Where a call's `completed` record lies, so that it need not stay in memory until it is acknowledged. */
export interface RecordLocation {
  segment: number;
  offset: number;
  bytes: number;
}

/** What the journal knows of a call that metering has not acknowledged. */
export interface JournalEntry extends RosterMember {
  accepted: AcceptedRecord;
  progress: Usage | null;
  /** Set once the call has ended: its charge, and where the event lies. */
  completed: { chargeNanoUsd: string; at: RecordLocation | null } | null;
  /** Metering has said that it committed the call, in this run of the gateway. */
  isCommitted: boolean;
  /** Segments with a record of the call, rising. */
  segments: number[];
}
