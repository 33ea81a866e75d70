import type { MailContent } from '../mail/mail.types.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** How long what a mail carries can be used. */
export const MAIL_TOKEN_TTL_MS = {
  verify_email: 24 * HOUR_MS,
  reset_password: 30 * MINUTE_MS,
  sign_in_code: 10 * MINUTE_MS,
} as const;
export type MailTokenPurpose = keyof typeof MAIL_TOKEN_TTL_MS;

const NOT_YOU = 'If you did not ask for this, do nothing: without this mail nobody gets further.';

/** After a "#": browsers do not send that part, so it stands in no log and in no referrer. */
function link(publicUrl: string, path: string, token: string): string {
  return `${publicUrl}${path}#token=${token}`;
}

export function verifyEmailMail(to: string, publicUrl: string, token: string): MailContent {
  return {
    to,
    subject: 'Confirm your e-mail address',
    paragraphs: ['Somebody, hopefully you, signed up to TensorLoop with this address. Confirm it to finish.'],
    link: { label: 'Confirm address', url: link(publicUrl, '/verify-email', token) },
    footnotes: [
      'The link works once, within 24 hours, and asks for the password that was chosen. If you do not know it, reset the password instead.',
      NOT_YOU,
    ],
  };
}

export function addressTakenMail(to: string, publicUrl: string): MailContent {
  return {
    to,
    subject: 'You have an account already',
    paragraphs: [
      'Somebody, hopefully you, tried to sign up to TensorLoop with this address. There is an account with it already, and nothing was changed.',
    ],
    link: { label: 'Sign in', url: `${publicUrl}/sign-in` },
    footnotes: ['If you do not remember the password, ask for a new one there.', 'If it was not you, do nothing.'],
  };
}

export function resetPasswordMail(to: string, publicUrl: string, token: string): MailContent {
  return {
    to,
    subject: 'Choose a new password',
    paragraphs: ['Somebody, hopefully you, asked for a new password for your TensorLoop account.'],
    link: { label: 'Choose a password', url: link(publicUrl, '/reset-password', token) },
    footnotes: ['The link works once, within 30 minutes. Choosing a password signs you out everywhere.', NOT_YOU],
  };
}

export function passwordChangedMail(to: string, publicUrl: string): MailContent {
  return {
    to,
    subject: 'Your password was changed',
    paragraphs: ['The password of your TensorLoop account was changed just now. All other browsers were signed out.'],
    footnotes: [`If it was not you, choose a new password at once: ${publicUrl}/reset-password`],
  };
}

export function signInCodeMail(to: string, code: string): MailContent {
  return {
    to,
    subject: 'Your code to sign in',
    paragraphs: ['Type this code into the page that asked for it.'],
    code,
    footnotes: [
      'It works once, within 10 minutes, and only in the browser in which it was asked for.',
      'Nobody of ours ever asks you for it. If you did not ask for it, do nothing.',
    ],
  };
}
