import { defineProblems } from '@tensorloop/nest-kit/problem';

export const authProblems = defineProblems({
  // The same for an unknown address, a wrong password and an address that is not confirmed: who has an account here is
  // nobody's business.
  credentials_wrong: {
    kind: 'unauthenticated',
    text: 'The e-mail address or the password is wrong, or the address is not confirmed yet: look for our mail.',
  },
  // Where no mail is configured alone; else the answer is in a mail.
  email_unavailable: {
    kind: 'conflict',
    text: 'An account cannot be created with this e-mail address. If it is yours, sign in.',
  },
  password_too_common: {
    kind: 'unprocessable',
    text: 'This password is on the lists that attackers try first. Choose another; a few words in a row are easy to remember.',
  },
  password_guessable: {
    kind: 'unprocessable',
    text: 'This password is the name of the product or of your address with little around it. Choose another.',
  },
  password_length: { kind: 'unprocessable', text: 'A password has 8 to 128 characters; 15 or more are better.' },
  password_needed: { kind: 'unprocessable', text: 'Type the password that you signed up with, to confirm the address.' },
  current_password_wrong: { kind: 'unprocessable', text: 'The current password is missing or wrong.' },
  recent_sign_in_needed: {
    kind: 'forbidden',
    text: 'This changes how you sign in, and you signed in too long ago. Sign in again, then repeat it within 15 minutes.',
  },
  link_expired: { kind: 'unprocessable', text: 'This link was used already or is too old. Ask for a new mail.' },
  code_wrong: {
    kind: 'unauthenticated',
    text: 'This is not the code of the mail, or it is too old, was used, or was asked for in another browser. Ask for a new one.',
  },
  mail_not_configured: { kind: 'not_found', text: 'This installation sends no mails, so there is no such way to sign in.' },
  mail_unavailable: { kind: 'unavailable', text: 'No mail can be sent at the moment; try again shortly.' },
  sign_in_busy: { kind: 'unavailable', text: 'Too many people are signing in at the moment; try again in a second.' },
  session_missing: {
    kind: 'unauthenticated',
    text: 'Sign in to continue, or send a management token (tlm_…) where the route takes one.',
  },
  role_insufficient: { kind: 'forbidden', text: 'Your role in this account does not allow this.' },
  cross_site_request: { kind: 'forbidden', text: 'This request was made by another site and is refused.' },
  json_expected: { kind: 'unsupported_media_type', text: 'Send the body as application/json.' },
  wrong_surface: {
    kind: 'unauthenticated',
    text: 'Bearer keys are for the inference API. The API under /api takes a session cookie or a management token (tlm_…).',
  },
});
