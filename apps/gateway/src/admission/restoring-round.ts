import type { AdmissionClient } from '@tensorloop/admission/admission-client';
import type { ScopeUse } from '@tensorloop/admission/scope-use';
import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { EpochRecovery } from '../recovery/epoch-recovery.service.js';
import type { KeyLookup, KeyLookupResult } from './key-lookup.js';
import { type KnownKey, type KnownKeys, scopesAt } from './known-keys.js';
import { Respondent } from './respondent.js';
import type { TotalsLookup } from './totals-lookup.js';

/** Accounts restored at the same time, so that calls being served are not crowded out. */
export const RESTORING_MAX = 8;
/** Scopes in one question to metering. */
const SCOPES_PER_QUESTION = 100;
/** Looks at a key: its account's epoch is lost, then its projection, and then it is there. */
const LOOKS_MAX = 3;

export interface RestoringRoundParts {
  admission: Pick<AdmissionClient, 'findKey'>;
  known: KnownKeys;
  keys: Pick<KeyLookup, 'lookUp'>;
  epochs: Pick<EpochRecovery, 'rebuild'>;
  totals: Pick<TotalsLookup, 'seed'>;
  /** What Redis knows of scopes, in their order. */
  readScopes: (accountTag: string, scopes: readonly Scope[]) => Promise<Pick<ScopeUse, 'totalNanoUsd'>[]>;
}

/**
 * One pass over accounts: what each lacks is fetched, as a call of it would, once. It ends early when nobody can be asked, and it
 * leaves metering alone, but nothing else undone, where only metering does not answer.
 */
export class RestoringRound {
  private readonly redis = new Respondent();
  private readonly control = new Respondent();
  private readonly gateways = new Respondent();
  private readonly metering = new Respondent();

  /** `isCut`: nothing more is to be begun. */
  constructor(
    private readonly parts: RestoringRoundParts,
    private readonly isCut: () => boolean,
  ) {}

  /** Returns the accounts that could not be restored, those that were not tried first. */
  async run(accounts: readonly KnownKey[][]): Promise<KnownKey[][]> {
    const failed: KnownKey[][] = [];
    let next = 0;
    const work = async () => {
      while (next < accounts.length && !this.isOver) {
        const keys = accounts[next++] as KnownKey[];
        // Redis is away again, or a script failed.
        const isRestored = await this.restore(keys).catch(() => this.redis.note(false));
        if (!isRestored) failed.push(keys);
      }
    };
    await Promise.all(Array.from({ length: RESTORING_MAX }, work));
    return [...accounts.slice(next), ...failed];
  }

  private get isOver(): boolean {
    return this.isCut() || this.redis.isAway || this.control.isAway || this.gateways.isAway;
  }

  /** What was found is restored also where other keys of the account could not be looked up. */
  private async restore(keys: readonly KnownKey[]): Promise<boolean> {
    const scopes = new Set<Scope>();
    let askedAtMs = 0;
    let isWhole = true;
    for (const key of keys) {
      if (this.isCut()) return false;
      const foundAtMs = await this.find(key);
      if (foundAtMs === 'unavailable') isWhole = false;
      else if (foundAtMs !== 'gone') {
        askedAtMs = foundAtMs;
        for (const scope of scopesAt(key, foundAtMs)) scopes.add(scope);
      }
    }
    if (scopes.size === 0) return isWhole;
    return (await this.seed(keys[0] as KnownKey, [...scopes], askedAtMs)) && isWhole;
  }

  private async seed({ accountTag, accountId }: KnownKey, scopes: readonly Scope[], askedAtMs: number): Promise<boolean> {
    const { totals, readScopes } = this.parts;
    const uses = await readScopes(accountTag, scopes);
    this.redis.note(true);
    const unknown = scopes.filter((_, index) => uses[index]?.totalNanoUsd === null);
    let isSeeded = true;
    for (let first = 0; first < unknown.length; first += SCOPES_PER_QUESTION) {
      if (this.metering.isAway || this.isCut()) return false;
      const asked = unknown.slice(first, first + SCOPES_PER_QUESTION);
      isSeeded = this.metering.note(await totals.seed({ accountTag, accountId, scopes: asked, askedAtMs })) && isSeeded;
    }
    return isSeeded;
  }

  /** Redis TIME at which it was there, with its account's epoch open. */
  private async find(key: KnownKey): Promise<number | 'gone' | 'unavailable'> {
    const { accountTag, keyHash } = key;
    for (let look = 0; look < LOOKS_MAX; look++) {
      const found = await this.parts.admission.findKey(accountTag, keyHash);
      this.redis.note(true);
      if (found.found) return found.nowMs;
      if (found.reason !== 'unknown_epoch' && found.reason !== 'unknown_key') return this.forget(keyHash);
      // As for a call: before an account's state is rebuilt the key must be known to exist, or what was erased would be there again.
      const result = await this.lookUp(key);
      if (result === 'absent') return this.forget(keyHash);
      if (result === 'unavailable') return result;
      if (found.reason === 'unknown_epoch' && !(await this.rebuild(accountTag))) return 'unavailable';
    }
    return 'unavailable';
  }

  private async lookUp({ accountTag, keyHash }: KnownKey): Promise<KeyLookupResult> {
    if (this.control.isAway) return 'unavailable';
    const result = await this.parts.keys.lookUp(accountTag, keyHash);
    this.control.note(result !== 'unavailable');
    return result;
  }

  private async rebuild(accountTag: string): Promise<boolean> {
    return !this.gateways.isAway && this.gateways.note(await this.parts.epochs.rebuild(accountTag));
  }

  private forget(keyHash: string): 'gone' {
    this.parts.known.forget(keyHash);
    return 'gone';
  }
}
