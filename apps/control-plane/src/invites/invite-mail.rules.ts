import { INVITE_EXPIRY_DAYS } from '@tensorloop/contracts/api/members';
import type { MailContent } from '../mail/mail.types.js';

export interface InviteMailFacts {
  to: string;
  accountName: string;
  role: string;
  inviterEmail: string;
  url: string;
}

/** The name of an account is its owner's to choose, so it is quoted and never a sentence of ours. */
export function inviteMail({ to, accountName, role, inviterEmail, url }: InviteMailFacts): MailContent {
  return {
    to,
    subject: `${inviterEmail} invites you to TensorLoop`,
    paragraphs: [`${inviterEmail} invites you to the account “${accountName}” on TensorLoop as ${role}.`],
    link: { label: 'Look at the invitation', url },
    footnotes: [
      `The invitation can be accepted for ${INVITE_EXPIRY_DAYS} days, by whoever signs in with this address.`,
      'If you do not know who this is, ignore this mail: nothing happens.',
    ],
  };
}
