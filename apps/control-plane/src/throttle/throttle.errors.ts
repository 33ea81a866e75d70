import { defineProblems } from '@tensorloop/nest-kit/problem';

export const throttleProblems = defineProblems({
  // Of an address that nobody has, too.
  sign_in_throttled: {
    kind: 'rate_limited',
    text: 'There were too many failed attempts to sign in with this e-mail address or from this network. Wait a few minutes and try again.',
  },
  mail_throttled: {
    kind: 'rate_limited',
    text: 'Too many mails were asked for with this e-mail address or from this network. Look for the last one, or try again later.',
  },
  network_throttled: { kind: 'rate_limited', text: 'Too many requests came from your network. Wait a minute and try again.' },
});
