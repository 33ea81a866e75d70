/** Every Redis key of an account. The hash tag puts them into one slot, so that a script touches one shard. */

export function keyPrefix(accountTag: string): string {
  return `tl:{${accountTag}}:`;
}

export const accountKey = (tag: string): string => `${keyPrefix(tag)}account`;
export const openKey = (tag: string): string => `${keyPrefix(tag)}open`;
/** Index of the scopes that exist. */
export const scopesKey = (tag: string): string => `${keyPrefix(tag)}scopes`;
/** Index of the key projections that exist. */
export const keysKey = (tag: string): string => `${keyPrefix(tag)}keys`;
export const projectionKey = (tag: string, keyHash: string): string => `${keyPrefix(tag)}key:${keyHash}`;
/** Hashes under which a key was or is known beside its own: while peppers are rotated. */
export const aliasesKey = (tag: string, keyId: string): string => `${keyPrefix(tag)}aliases:${keyId}`;
export const scopeKey = (tag: string, scope: string): string => `${keyPrefix(tag)}scope:${scope}`;
/** A key's admissions of the last minute. */
export const rateKey = (tag: string, keyId: string): string => `${keyPrefix(tag)}rate:${keyId}`;

/** By gateway: a key's calls, and their tokens, of the minute before Redis was lost. */
export const lostCallsKey = (tag: string, keyId: string): string => `${keyPrefix(tag)}rpmlost:${keyId}`;
export const lostTokensKey = (tag: string, keyId: string): string => `${keyPrefix(tag)}tpmlost:${keyId}`;

/** Stands for a key's id where all keys of the account are counted together. */
export const ALL_KEYS = 'account';

/** Glob for SCAN that finds one key per account, and the way back from such a key to the tag. */
export const ACCOUNT_KEY_GLOB = 'tl:{*}:account';
export function tagOfAccountKey(key: string): string {
  return key.slice('tl:{'.length, -'}:account'.length);
}
