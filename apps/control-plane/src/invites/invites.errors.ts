import { ACCOUNTS_PER_USER_MAX } from '@tensorloop/contracts/api/accounts';
import { INVITES_OPEN_MAX, INVITES_PER_DAY_MAX, MEMBERS_PER_ACCOUNT_MAX } from '@tensorloop/contracts/api/members';
import { defineProblems } from '@tensorloop/nest-kit/problem';

export const inviteProblems = defineProblems({
  invite_not_found: { kind: 'not_found', text: 'There is no such invitation.' },
  invite_not_open: { kind: 'conflict', text: 'This invitation was accepted or revoked already.' },
  invite_sent_recently: {
    kind: 'rate_limited',
    text: 'This invitation was sent a moment ago; wait a minute before sending it again.',
  },
  invite_above_role: {
    kind: 'forbidden',
    text: 'This invitation is for a role that may do more than yours; only an owner can change it.',
  },
  role_above_own: { kind: 'unprocessable', text: 'Nobody can give a role that may do more than their own.' },
  already_member: { kind: 'conflict', text: 'This person is a member of the account already.' },
  invite_open_already: { kind: 'conflict', text: 'This address has an open invitation; send it again, or revoke it first.' },
  invite_limit_reached: {
    kind: 'conflict',
    text: `An account has at most ${INVITES_OPEN_MAX} open invitations. Revoke one first.`,
  },
  invite_daily_limit_reached: {
    kind: 'rate_limited',
    text: `An account makes at most ${INVITES_PER_DAY_MAX} invitations in 24 hours. Try again tomorrow.`,
  },
  account_not_active: { kind: 'conflict', text: 'The account is disabled or about to be deleted; nobody can join it.' },
  // The same for one that never existed: who is invited where is nobody's business.
  invite_invalid: {
    kind: 'not_found',
    text: 'This invitation is not valid: it expired, was used or revoked, or never existed. Ask for a new one.',
  },
  invite_for_other_address: {
    kind: 'forbidden',
    text: 'This invitation is for another address. Sign in with the one that it was sent to.',
  },
  email_unverified: { kind: 'forbidden', text: 'Confirm your address first: the invitation is for whoever owns it.' },
  members_limit_reached: { kind: 'conflict', text: `An account has at most ${MEMBERS_PER_ACCOUNT_MAX} members.` },
  memberships_limit_reached: {
    kind: 'conflict',
    text: `A person may belong to ${ACCOUNTS_PER_USER_MAX} accounts. Leave one first.`,
  },
});
