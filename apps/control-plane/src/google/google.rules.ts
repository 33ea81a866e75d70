import type { User } from '../users/users.types.js';
import type { GoogleErrorCode, GoogleProfile } from './google.types.js';

/** The issuer of all Google accounts; part of an identity's key. */
export const GOOGLE_ISSUER = 'https://accounts.google.com';

export interface Arrival {
  profile: GoogleProfile;
  /** Whose Google account it is. */
  known: User | null;
  /** Who has its address here. */
  local: User | null;
  /** Who asked for a link while signed in, and whether the browser is still signed in as them. */
  link: { userId: string; isSignedIn: boolean } | null;
}

export type Decision =
  | { kind: 'sign_in'; user: User }
  | { kind: 'sign_up'; email: string }
  /** An address that both sides have proven, or that is proven just now. */
  | { kind: 'claim'; user: User }
  | { kind: 'link' }
  | { kind: 'linked_already' }
  | { kind: 'refuse'; code: GoogleErrorCode };

/**
 * Who an arrival from Google is. Found by issuer and subject; by address only where Google says that it is verified, and
 * never otherwise: an address alone would let whoever can enter it at Google take over the account that has it here.
 */
export function decideArrival({ profile, known, local, link }: Arrival): Decision {
  if (link !== null) return decideLink(link, known);
  if (known !== null) return known.isDisabled ? refuse('google_refused') : { kind: 'sign_in', user: known };
  if (!profile.isEmailVerified || profile.email === null) return refuse('google_email_unverified');
  if (local === null) return { kind: 'sign_up', email: profile.email };
  return local.isDisabled ? refuse('google_refused') : { kind: 'claim', user: local };
}

function decideLink({ userId, isSignedIn }: NonNullable<Arrival['link']>, known: User | null): Decision {
  if (!isSignedIn) return refuse('google_session_over');
  if (known === null) return { kind: 'link' };
  return known.id === userId ? { kind: 'linked_already' } : refuse('google_linked_elsewhere');
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
