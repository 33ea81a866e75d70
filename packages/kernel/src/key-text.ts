import { encodeBase62, randomBase62 } from './base62.js';
import { crc32 } from './crc32.js';

/**
 * Text of an inference key: `tl_` + account tag (8) + 256 random bits in base62 (43) + CRC-32 in base62 (6).
 *
 * The tag puts everything of one account into one Redis Cluster slot without a lookup. The checksum lets a gateway
 * refuse a mistyped key without any I/O, and lets secret scanners match with almost no false alarm.
 */
export const KEY_PREFIX = 'tl_';
export const ACCOUNT_TAG_LENGTH = 8;
const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const BODY_LENGTH = ACCOUNT_TAG_LENGTH + SECRET_LENGTH;

/** For secret scanners. */
export const KEY_PATTERN = /\btl_[0-9A-Za-z]{57}\b/;
const WHOLE_KEY = /^tl_[0-9A-Za-z]{57}$/;

function checksum(body: string): string {
  const crc = crc32(body);
  return encodeBase62(Uint8Array.of(crc >>> 24, (crc >>> 16) & 0xff, (crc >>> 8) & 0xff, crc & 0xff), CHECKSUM_LENGTH);
}

/** A fresh account tag: 8 base62 characters. Uniqueness is the database's to enforce. */
export function newAccountTag(): string {
  return randomBase62(ACCOUNT_TAG_LENGTH);
}

/** A fresh key text for the account. The only copy: store its HMAC, show it once. */
export function newKeyText(accountTag: string): string {
  return KEY_PREFIX + newCredentialBody(accountTag);
}

/** The account tag of a well-formed key, or null when prefix, length, alphabet or checksum is wrong. */
export function parseKeyText(text: string): { accountTag: string } | null {
  return WHOLE_KEY.test(text) ? parseCredentialBody(text.slice(KEY_PREFIX.length)) : null;
}

/** What follows the prefix of every credential of an account: its tag, a fresh secret and the checksum of both. */
export function newCredentialBody(accountTag: string): string {
  const secret = encodeBase62(globalThis.crypto.getRandomValues(new Uint8Array(32)), SECRET_LENGTH);
  const body = accountTag + secret;
  return body + checksum(body);
}

/** The account tag in front of a credential's body of the right length and alphabet, or null when the checksum is wrong. */
export function parseCredentialBody(text: string): { accountTag: string } | null {
  const body = text.slice(0, BODY_LENGTH);
  return checksum(body) === text.slice(BODY_LENGTH) ? { accountTag: body.slice(0, ACCOUNT_TAG_LENGTH) } : null;
}
