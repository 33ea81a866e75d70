import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a sealed text is for. One that was sealed for another purpose does not open. */
export type SealPurpose = 'mail-job' | 'google-sign-in' | 'sign-in-code';

/** A key of its own for sealing, from a secret that has another use: neither tells anything about the other (RFC 5869). */
export function sealingKey(secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', 'tensorloop sealing v1', KEY_BYTES));
}

/** Encrypted and authenticated, base64url. Each call draws a nonce: no two results are alike. */
export function seal(key: Buffer, purpose: SealPurpose, text: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(purpose));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url');
}

/** Null for what was not sealed under this key for this purpose, or was changed since. */
export function unseal(key: Buffer, purpose: SealPurpose, sealed: string): string | null {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
  const tag = bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES)).setAAD(Buffer.from(purpose)).setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}

/** A keyed hash, hex: for what is too short to be hashed plainly, as six digits are. */
export function keyedHash(key: Buffer, purpose: SealPurpose, text: string): string {
  return createHmac('sha256', key).update(`${purpose}\n${text}`).digest('hex');
}
