import { defineProblems } from '@tensorloop/nest-kit/problem';

export const authProblems = defineProblems({
  // The same for an unknown address and a wrong password: who has an account here is nobody's business.
  credentials_wrong: { kind: 'unauthenticated', text: 'The e-mail address or the password is wrong.' },
  email_unavailable: {
    kind: 'conflict',
    text: 'An account cannot be created with this e-mail address. If it is yours, sign in.',
  },
  sign_in_busy: { kind: 'unavailable', text: 'Too many people are signing in at the moment; try again in a second.' },
  // Of an address that nobody has, too.
  sign_in_throttled: {
    kind: 'rate_limited',
    text: 'There were too many failed attempts to sign in with this e-mail address. Wait a few minutes and try again.',
  },
  session_missing: { kind: 'unauthenticated', text: 'Sign in to continue. The dashboard API takes a session cookie.' },
  role_insufficient: { kind: 'forbidden', text: 'Your role in this account does not allow this.' },
  cross_site_request: { kind: 'forbidden', text: 'This request was made by another site and is refused.' },
  json_expected: { kind: 'unsupported_media_type', text: 'Send the body as application/json.' },
  wrong_surface: {
    kind: 'unauthenticated',
    text: 'Bearer keys are for the inference API. The dashboard API under /api takes a session cookie.',
  },
});
