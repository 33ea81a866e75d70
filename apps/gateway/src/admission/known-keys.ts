import type { Admission, ProjectWindow } from '@tensorloop/admission/admission.types';
import { BALANCE_SCOPE, dayScope, projectScope, type Scope, windowScope } from '@tensorloop/contracts/settle-ack';
import { utcDay, WINDOW_MS } from '@tensorloop/kernel/budget-window';

/** Keys that are remembered; beyond it the one that was used longest ago is forgotten. About 400 bytes each. */
export const KNOWN_KEYS_MAX = 10_000;
/** A key that was used longer ago is not worth asking for before it is used again. */
export const KNOWN_KEY_MS = 24 * 60 * 60 * 1_000;
/** A key in use is noted again no more often than this, because the noting is done at every call. */
export const NOTE_AGAIN_MS = 60_000;

/** A key of which this gateway admitted a call, as it was then. */
export interface KnownKey {
  accountTag: string;
  keyHash: string;
  accountId: string;
  keyId: string;
  windowIndex: number;
  windowStartMs: number;
  project: ProjectWindow | null;
  isPrepaid: boolean;
  /** Redis TIME. */
  usedAtMs: number;
}

/** Which keys this gateway serves: what it will be asked for again after Redis was lost. */
export class KnownKeys {
  /** By hash; the one noted last is last. */
  private readonly keys = new Map<string, KnownKey>();

  get size(): number {
    return this.keys.size;
  }

  has(keyHash: string): boolean {
    return this.keys.has(keyHash);
  }

  note({ accountTag, keyHash }: Pick<KnownKey, 'accountTag' | 'keyHash'>, admission: Admission): void {
    const { admittedAtMs, accountId, keyId, windowIndex, windowStartMs, project, balance } = admission;
    const known = this.keys.get(keyHash);
    if (known !== undefined && admittedAtMs - known.usedAtMs < NOTE_AGAIN_MS) return;
    // Set anew, so that the first one is the one used longest ago.
    this.keys.delete(keyHash);
    if (this.keys.size >= KNOWN_KEYS_MAX) this.keys.delete(this.keys.keys().next().value as string);
    this.keys.set(keyHash, {
      accountTag,
      keyHash,
      accountId,
      keyId,
      windowIndex,
      windowStartMs,
      project:
        project === null ? null : { id: project.id, windowIndex: project.windowIndex, windowStartMs: project.windowStartMs },
      isPrepaid: balance !== null,
      usedAtMs: admittedAtMs,
    });
  }

  forget(keyHash: string): void {
    this.keys.delete(keyHash);
  }

  /** Those used within the last KNOWN_KEY_MS by account, the account used last first. */
  byAccount(nowMs: number): KnownKey[][] {
    const accounts = new Map<string, KnownKey[]>();
    for (const key of [...this.keys.values()].reverse()) {
      if (nowMs - key.usedAtMs > KNOWN_KEY_MS) continue;
      const ofAccount = accounts.get(key.accountTag);
      if (ofAccount === undefined) accounts.set(key.accountTag, [key]);
      else ofAccount.push(key);
    }
    return [...accounts.values()];
  }
}

/** The scopes that a call of the key would count in now. */
export function scopesAt(key: KnownKey, nowMs: number): Scope[] {
  const { keyId, project, isPrepaid } = key;
  const scopes = [windowScope(keyId, indexAt(key, nowMs)), dayScope(utcDay(nowMs))];
  if (project !== null) scopes.push(projectScope(project.id, indexAt(project, nowMs)));
  if (isPrepaid) scopes.push(BALANCE_SCOPE);
  return scopes;
}

function indexAt({ windowIndex, windowStartMs }: Pick<KnownKey, 'windowIndex' | 'windowStartMs'>, nowMs: number): number {
  return windowIndex + Math.max(0, Math.floor((nowMs - windowStartMs) / WINDOW_MS));
}
