import { newCredentialBody, parseCredentialBody } from './key-text.js';

/**
 * Text of a management token: `tlm_`, and then as in an inference key account tag, 256 random bits and a checksum. It opens
 * the dashboard API for a script and never the inference API; neither text can be taken for the other.
 */
export const MANAGEMENT_TOKEN_PREFIX = 'tlm_';

/** For secret scanners. */
export const MANAGEMENT_TOKEN_PATTERN = /\btlm_[0-9A-Za-z]{57}\b/;
const WHOLE_TOKEN = /^tlm_[0-9A-Za-z]{57}$/;

/** A fresh token text for the account. The only copy: store its hash, show it once. */
export function newManagementToken(accountTag: string): string {
  return MANAGEMENT_TOKEN_PREFIX + newCredentialBody(accountTag);
}

/** The account tag of a well-formed token, or null when prefix, length, alphabet or checksum is wrong. */
export function parseManagementToken(text: string): { accountTag: string } | null {
  return WHOLE_TOKEN.test(text) ? parseCredentialBody(text.slice(MANAGEMENT_TOKEN_PREFIX.length)) : null;
}
