import type { ChangeKind } from '@tensorloop/contracts/account-changed';

/** What a successful change may have changed, by the first segment of its path under /api. The rest is no account's to look at. */
const KINDS: Readonly<Record<string, readonly [ChangeKind, ...ChangeKind[]]>> = {
  keys: ['keys'],
  projects: ['projects', 'keys'],
  members: ['members'],
  me: ['members'],
  invites: ['members'],
  tokens: ['tokens'],
  account: ['account', 'keys'],
  accounts: ['account'],
};
const SERVER_ERROR_STATUS_MIN = 500;
const READING_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Null for what reads, and for what concerns no account. */
export function kindsWritten(method: string, path: string): readonly [ChangeKind, ...ChangeKind[]] | null {
  if (READING_METHODS.has(method)) return null;
  const [, api, noun] = path.split('/');
  return (api === 'api' && noun !== undefined && Object.hasOwn(KINDS, noun) ? KINDS[noun] : undefined) ?? null;
}

/**
 * Whether a change that failed with this status may be saved all the same: it is where only Redis was away, and nobody knows
 * where a COMMIT was cut off. Told once too often, a listener reads what it knows; a refusal has changed nothing.
 */
export function mayBeSaved(status: number): boolean {
  return status >= SERVER_ERROR_STATUS_MIN;
}
