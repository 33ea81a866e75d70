import type { FoundKey } from '@tensorloop/admission/admission.types';
import type { AdmissionClient } from '@tensorloop/admission/admission-client';
import type { ScopeUse } from '@tensorloop/admission/scope-use';
import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { EpochRecovery } from '../recovery/epoch-recovery.service.js';
import type { KeyLookup } from './key-lookup.js';
import { type KnownKey, type KnownKeys, scopesAt } from './known-keys.js';
import type { TotalsLookup } from './totals-lookup.js';

/** Accounts restored at the same time, so that calls being served are not crowded out. */
export const RESTORING_MAX = 8;
/** What could not be restored is tried again after this time, and so often in all: for about a minute. */
export const RESTORE_AGAIN_MS = 2_000;
export const RESTORE_ROUNDS_MAX = 30;
/** Scopes in one question to metering. */
const SCOPES_PER_QUESTION = 100;
/** Looks at a key: its account's epoch is lost, then its projection, and then it is there. */
const LOOKS_MAX = 3;

export interface AccountRestoringParts {
  admission: Pick<AdmissionClient, 'findKey' | 'runId'>;
  known: KnownKeys;
  keys: Pick<KeyLookup, 'lookUp'>;
  epochs: Pick<EpochRecovery, 'rebuild'>;
  totals: Pick<TotalsLookup, 'seed'>;
  /** What Redis knows of scopes, in their order. */
  readScopes: (accountTag: string, scopes: readonly Scope[]) => Promise<Pick<ScopeUse, 'totalNanoUsd'>[]>;
  nowMs: () => number;
  againMs?: number;
}

/**
 * After Redis lost what it knew, asks for all that the keys in use will need, before they are used. Each would else need the
 * control plane, metering and the database at its first call, perhaps minutes later, when one of them is down. Nothing here
 * decides anything: what is not restored is fetched by the call that needs it.
 */
export class AccountRestoring {
  private running: Promise<void> | null = null;
  private isAskedAgain = false;
  private isStopping = false;
  private runId: string | null = null;
  private timer: NodeJS.Timeout | null = null;
  private wake: () => void = () => undefined;

  constructor(private readonly parts: AccountRestoringParts) {}

  /** Called at each connection to Redis. The first one of this process, which knows no keys yet, has nothing to restore. */
  redisIsReady(runId: string | null): void {
    if (runId === this.runId) return;
    this.runId = runId;
    void this.all();
  }

  /** A call found its account's epoch lost: where it is one that was served before, the others' are lost as well. */
  epochIsLost(keyHash: string): void {
    if (this.running === null && this.parts.known.has(keyHash)) void this.all();
  }

  /** Every account in use. Asked for during a run, it runs once more afterwards. */
  all(): Promise<void> {
    if (this.running !== null) this.isAskedAgain = true;
    this.running ??= this.repeat().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  stop(): void {
    this.isStopping = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.wake();
  }

  private async repeat(): Promise<void> {
    do {
      this.isAskedAgain = false;
      let waiting = this.parts.known.byAccount(this.parts.nowMs());
      for (let round = 1; round <= RESTORE_ROUNDS_MAX && waiting.length > 0 && !this.isStopping; round++) {
        if (round > 1) await this.pause();
        waiting = await this.restoreAll(waiting);
      }
    } while (this.isAskedAgain && !this.isStopping);
  }

  /** Returns the accounts that could not be restored. */
  private async restoreAll(accounts: KnownKey[][]): Promise<KnownKey[][]> {
    const queue = [...accounts];
    const failed: KnownKey[][] = [];
    const work = async () => {
      for (let keys = queue.shift(); keys !== undefined && !this.isStopping; keys = queue.shift()) {
        // Redis is away again, or a script failed: the next round, or the next connection, makes good for it.
        const isRestored = await this.restore(keys).catch(() => false);
        if (!isRestored) failed.push(keys);
      }
    };
    await Promise.all(Array.from({ length: RESTORING_MAX }, work));
    return failed;
  }

  private async restore(keys: KnownKey[]): Promise<boolean> {
    const { totals, readScopes } = this.parts;
    const { accountTag, accountId } = keys[0] as KnownKey;
    const scopes = new Set<Scope>();
    let askedAtMs = 0;
    for (const key of keys) {
      const foundAtMs = await this.find(key);
      if (foundAtMs === 'unavailable') return false;
      if (foundAtMs === 'gone') continue;
      askedAtMs = foundAtMs;
      for (const scope of scopesAt(key, foundAtMs)) scopes.add(scope);
    }
    const names = [...scopes];
    if (names.length === 0) return true;
    const uses = await readScopes(accountTag, names);
    const unknown = names.filter((_, index) => uses[index]?.totalNanoUsd === null);
    let isSeeded = true;
    for (let first = 0; first < unknown.length; first += SCOPES_PER_QUESTION) {
      const asked = unknown.slice(first, first + SCOPES_PER_QUESTION);
      isSeeded = (await totals.seed({ accountTag, accountId, scopes: asked, askedAtMs })) && isSeeded;
    }
    return isSeeded;
  }

  /** Redis TIME at which it was there, with its account's epoch open. */
  private async find({ accountTag, keyHash }: KnownKey): Promise<number | 'gone' | 'unavailable'> {
    const { admission, keys, epochs, known } = this.parts;
    for (let look = 0; look < LOOKS_MAX; look++) {
      const found: FoundKey = await admission.findKey(accountTag, keyHash);
      if (found.found) return found.nowMs;
      if (found.reason === 'unknown_epoch') {
        if (!(await epochs.rebuild(accountTag))) return 'unavailable';
      } else if (found.reason === 'unknown_key') {
        const result = await keys.lookUp(accountTag, keyHash);
        if (result === 'unavailable') return 'unavailable';
        if (result === 'absent') return this.forget(keyHash);
      } else return this.forget(keyHash);
    }
    return known.has(keyHash) ? 'unavailable' : 'gone';
  }

  private forget(keyHash: string): 'gone' {
    this.parts.known.forget(keyHash);
    return 'gone';
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
      this.timer = setTimeout(resolve, this.parts.againMs ?? RESTORE_AGAIN_MS);
      this.timer.unref();
    });
  }
}
