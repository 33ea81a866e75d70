/** A user's account at an identity provider: found by issuer and subject, never by address. */
export interface Identity {
  issuer: string;
  subject: string;
  /** As the provider stated it. */
  email: string;
}

export interface User {
  id: string;
  email: string;
  /** Null when the user signs in by other means. */
  passwordHash: string | null;
  /** The address was proven to be the user's. */
  isVerified: boolean;
  /** By an operator: every way to sign in is closed. */
  isDisabled: boolean;
}

export interface NewUser {
  email: string;
  passwordHash: string | null;
  /** The address is proven already. */
  isVerified: boolean;
  identity?: Identity;
}

/** How somebody proved to have an address, for the audit log. */
export type AddressProof = 'mail' | 'google' | 'code';
