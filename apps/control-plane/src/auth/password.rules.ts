import { PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN } from '@tensorloop/contracts/api/auth';

/** What everybody would try first here. */
const CONTEXT_WORDS = ['tensorloop', 'tensor', 'loop', 'gateway', 'dashboard', 'openai', 'password', 'passwort'];
/** A word of the address counts only when it is long enough to be more than chance. */
const ADDRESS_WORD_LENGTH_MIN = 4;
/** What is added to a word to please a rule: digits, years, marks. */
const PADDING = /[^\p{L}]+/gu;

export type PasswordRefusal = 'password_too_common' | 'password_guessable' | 'password_length';

/**
 * Whether a password may be chosen: no rules of composition, but none that is on the list, none that is the product's or the
 * user's name with digits around it, and none of one character again and again.
 */
export function refusePassword(password: string, email: string, common: ReadonlySet<string>): PasswordRefusal | null {
  const length = [...password].length;
  if (length < PASSWORD_LENGTH_MIN || password.length > PASSWORD_LENGTH_MAX) return 'password_length';
  const lower = password.toLowerCase();
  if (common.has(lower)) return 'password_too_common';
  if (new Set(lower).size <= 2) return 'password_too_common';
  const words = new Set([...CONTEXT_WORDS, ...wordsOf(email)]);
  // "TensorLoop2026!" is "tensorloop" to whoever guesses; "tensorloop runs on my own three machines" is not.
  const core = lower.replaceAll(PADDING, '');
  if (lower === email || words.has(core)) return 'password_guessable';
  return null;
}

function wordsOf(email: string): string[] {
  const [local = '', domain = ''] = email.split('@');
  const host = domain.split('.')[0] ?? '';
  const parts = [...local.split(/[^\p{L}]+/u), local, host, local + host].map((part) => part.replaceAll(PADDING, ''));
  return parts.filter((part) => part.length >= ADDRESS_WORD_LENGTH_MIN);
}
