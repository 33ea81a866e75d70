/** The issuer of all Google accounts; part of an identity's key. */
export const GOOGLE_ISSUER = 'https://accounts.google.com';

/** What a browser carries to Google and back, sealed in its cookie. */
export interface GoogleTransaction {
  state: string;
  /** Of PKCE: shows that the code is redeemed where it was asked for. */
  verifier: string;
  returnTo: string;
  expiresAtMs: number;
  /** Of a link: the user who asked for it while signed in. */
  linksUserId: string | null;
}

/** What Google says of whoever came back. */
export interface GoogleProfile {
  subject: string;
  email: string | null;
  isEmailVerified: boolean;
}

/** The last part of `?error=` on the page that the browser comes back to. */
export type GoogleErrorCode =
  | 'google_state_mismatch'
  | 'google_denied'
  | 'google_failed'
  | 'google_email_unverified'
  | 'google_confirm_address_first'
  | 'google_linked_elsewhere'
  | 'google_refused'
  | 'google_session_over';
