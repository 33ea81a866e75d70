import type { User } from '../users/users.types.js';
import type { GoogleErrorCode, GoogleProfile } from './google.types.js';

export interface Arrival {
  profile: GoogleProfile;
  /** Whose Google account it is. */
  known: User | null;
  /** Who has its address here. */
  local: User | null;
  /** Of a link that was asked for while signed in: who that was, or null when the browser is not signed in as them any more. */
  link: { user: User | null } | null;
}

export type Decision =
  | { kind: 'sign_in'; user: User }
  | { kind: 'sign_up'; email: string }
  /** An address that both sides have proven, or that is proven just now. */
  | { kind: 'claim'; user: User }
  /** `provesAddress`: it is the Google account of the address that the user has here. */
  | { kind: 'link'; user: User; provesAddress: boolean }
  | { kind: 'linked_already' }
  | { kind: 'refuse'; code: GoogleErrorCode };

/**
 * Who an arrival from Google is. Found by issuer and subject; by address only where Google says that it is verified, and
 * never otherwise: an address alone would let whoever can enter it at Google take over the account that has it here.
 */
export function decideArrival({ profile, known, local, link }: Arrival): Decision {
  if (link !== null) return decideLink(link.user, profile, known);
  if (known !== null) return known.isDisabled ? refuse('google_refused') : { kind: 'sign_in', user: known };
  if (!profile.isEmailVerified || profile.email === null) return refuse('google_email_unverified');
  if (local === null) return { kind: 'sign_up', email: profile.email };
  return local.isDisabled ? refuse('google_refused') : { kind: 'claim', user: local };
}

/**
 * Whoever signs up with a stranger's address must not leave a way in that stays when its owner comes: until the user has
 * proven the address, nothing but the Google account that proves it is linked.
 */
function decideLink(user: User | null, { email, isEmailVerified }: GoogleProfile, known: User | null): Decision {
  if (user === null) return refuse('google_session_over');
  if (known !== null) return known.id === user.id ? { kind: 'linked_already' } : refuse('google_linked_elsewhere');
  if (!isEmailVerified || email === null) return refuse('google_email_unverified');
  if (user.isVerified) return { kind: 'link', user, provesAddress: false };
  return email === user.email ? { kind: 'link', user, provesAddress: true } : refuse('google_confirm_address_first');
}

/** What lets somebody in. */
export interface WaysIn {
  hasGoogle: boolean;
  hasPassword: boolean;
  /** Codes by mail, and a password by the link of one: there for everybody where mails are sent. */
  hasCodes: boolean;
}

export type UnlinkRefusal = 'google_not_linked' | 'google_only_way_in';

/** Why Google cannot be taken away, or null. Nobody locks themselves out. */
export function refuseUnlinking({ hasGoogle, hasPassword, hasCodes }: WaysIn): UnlinkRefusal | null {
  if (!hasGoogle) return 'google_not_linked';
  return hasPassword || hasCodes ? null : 'google_only_way_in';
}

function refuse(code: GoogleErrorCode): Decision {
  return { kind: 'refuse', code };
}

/** Where the browser goes after something went wrong: the page that it came from knows what to say to each code. */
export function errorPath(code: GoogleErrorCode, transaction: { returnTo: string; linksUserId: string | null } | null): string {
  const page = transaction === null || transaction.linksUserId === null ? '/sign-in' : transaction.returnTo;
  const [path = '/', query] = (page.split('#')[0] as string).split('?');
  const parameters = new URLSearchParams(query);
  parameters.set('error', code);
  return `${path}?${parameters.toString()}`;
}
