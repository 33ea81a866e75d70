import type { PendingEntry } from '@tensorloop/admission/admission.types';
import type { AdmissionClient } from '@tensorloop/admission/admission-client';
import type { RecentAdmissions } from '@tensorloop/admission/recent-admissions';
import type { ReassertReply, ReassertRequest } from '@tensorloop/contracts/gateway-registry';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { InFlight } from '../admission/in-flight.service.js';
import type { RedisClock } from '../admission/redis-clock.service.js';
import type { Journal } from '../journal/journal.service.js';
import type { JournalEntry } from '../journal/journal.types.js';

/** Rounds of one rebuild: a gateway that answers late is asked again. */
export const REBUILD_ROUNDS_MAX = 3;
/** How long all gateways together have to re-assert, per round. */
export const REASSERT_TIMEOUT_MS = 1_000;
/** Rebuilds at the same time; after a restart of Redis every account needs one. */
export const REBUILDS_MAX = 200;
/** No rebuild has this id, so that what is re-asserted under it is taken by an open epoch alone. */
const NO_REBUILD = 'none';

/** What a rebuild needs of the other gateways. */
export interface GatewayRegistry {
  /** Ids of all live gateways, this one included. Rejects when NATS cannot say. */
  listLive(): Promise<string[]>;
  requestReassert(request: ReassertRequest, wait: { repliesMax: number; timeoutMs: number }): Promise<ReassertReply[]>;
}

export interface EpochRecoveryParts {
  gatewayId: string;
  admission: AdmissionClient;
  journal: Journal;
  inFlight: InFlight;
  recent: RecentAdmissions;
  clock: RedisClock;
  registry: GatewayRegistry;
  onProblem: (error: unknown) => void;
}

function pendingEntry({ accepted, completed }: JournalEntry): PendingEntry {
  const { requestId, keyId, windowIndex, windowStartMs, day, admittedAtMs } = accepted;
  const holdNanoUsd = BigInt(accepted.holdNanoUsd);
  const amountNanoUsd = completed === null ? holdNanoUsd : BigInt(completed.chargeNanoUsd);
  return {
    requestId,
    state: completed === null ? 'held' : 'settled',
    amountNanoUsd,
    holdNanoUsd,
    keyId,
    windowIndex,
    windowStartMs,
    day,
    admittedAtMs,
    isPrepaid: accepted.isPrepaid === true,
    isParallelCounted: accepted.isParallelCounted === true,
    ...pendingProject(accepted),
  };
}

function pendingProject({
  projectId: id,
  projectWindowIndex: windowIndex,
  projectWindowStartMs: windowStartMs,
}: JournalEntry['accepted']): Pick<PendingEntry, 'project'> {
  if (id === undefined || windowIndex === undefined || windowStartMs === undefined) return {};
  return { project: { id, windowIndex, windowStartMs } };
}

/**
 * Rebuilds an account's admission state after Redis lost it. Every live gateway writes its unacknowledged amounts again; only
 * when all have done so does the account's epoch open. Committed totals follow when admission first asks for them.
 */
export class EpochRecovery {
  private readonly running = new Map<string, Promise<boolean>>();

  constructor(private readonly parts: EpochRecoveryParts) {}

  /** True = the account's epoch is open. One rebuild per account at a time, however many calls wait for it. */
  rebuild(accountTag: string): Promise<boolean> {
    const running = this.running.get(accountTag);
    if (running !== undefined) return running;
    if (this.running.size >= REBUILDS_MAX) return Promise.resolve(false);
    const rebuilding = this.attempt(accountTag)
      .catch((error: unknown) => {
        this.parts.onProblem(error);
        return false;
      })
      .finally(() => this.running.delete(accountTag));
    this.running.set(accountTag, rebuilding);
    return rebuilding;
  }

  /** Answers another gateway's (or our own) request. Rejects when this gateway could not do it: it must not be counted then. */
  async reassert({ accountTag, rebuildId }: Pick<ReassertRequest, 'accountTag' | 'rebuildId'>): Promise<ReassertReply> {
    const { admission, journal, inFlight, recent, clock, gatewayId } = this.parts;
    await inFlight.idle(accountTag);
    // From here to the script nothing may wait for I/O: an acknowledgement in between would be undone by what is asserted.
    await admission.connected();
    const entries = journal.listOfAccount(accountTag).map(pendingEntry);
    const recentByKey = recent.countsOf(accountTag, clock.nowMs());
    const recentTokensByKey = recent.tokensOf(accountTag, clock.nowMs());
    const asserted = await admission.reassert({
      accountTag,
      rebuildId,
      gatewayId,
      entries,
      recentByKey,
      recentTokensByKey,
    });
    if (asserted === null) throw new Error(`the rebuild ${rebuildId} is not in progress any more`);
    return { v: 1, gatewayId, asserted };
  }

  /**
   * Writes again, into an epoch that others opened without this gateway, what its journal still owes. False = the epoch is not
   * open: whoever rebuilds it will ask. What metering has committed in an earlier run of this gateway may be counted twice
   * until its acknowledgement comes again: too much for a while, never too little.
   */
  async reassertOpen(accountTag: string): Promise<boolean> {
    const { admission, journal, gatewayId } = this.parts;
    await admission.connected();
    const entries = journal.listOfAccount(accountTag).map(pendingEntry);
    if (entries.length === 0) return true;
    // Nobody needs to wait for admissions in flight here: they place their holds in the open epoch themselves.
    const reassertion = { accountTag, rebuildId: NO_REBUILD, gatewayId, entries, recentByKey: new Map() };
    return (await admission.reassert(reassertion)) !== null;
  }

  private async attempt(accountTag: string): Promise<boolean> {
    const { admission, registry, gatewayId } = this.parts;
    for (let round = 0; round < REBUILD_ROUNDS_MAX; round++) {
      const rebuildId = await admission.beginRebuild(accountTag, uuid7());
      if (rebuildId === null) return true;
      const { runId } = admission;
      if (runId === null) return false;
      // Asked before the others re-assert: whoever registers later has nothing of this account yet.
      const expectedGatewayIds = [...new Set([...(await registry.listLive()), gatewayId])];
      await this.reassert({ accountTag, rebuildId });
      const others = expectedGatewayIds.length - 1;
      if (others > 0) {
        await registry.requestReassert(
          { v: 1, accountTag, rebuildId, runId },
          { repliesMax: expectedGatewayIds.length, timeoutMs: REASSERT_TIMEOUT_MS },
        );
      }
      const opening = await admission.openEpoch({ accountTag, rebuildId, expectedGatewayIds });
      if (opening.outcome === 'opened' || opening.outcome === 'open') return true;
    }
    return false;
  }
}
