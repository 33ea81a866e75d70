import { ACCOUNTS_OWNED_MAX, ACCOUNTS_PER_USER_MAX } from '@tensorloop/contracts/api/accounts';
import { defineProblems } from '@tensorloop/nest-kit/problem';

export const accountProblems = defineProblems({
  session_missing: {
    kind: 'unauthenticated',
    text: 'Sign in to continue, or send a management token (tlm_…) where the route takes one.',
  },
  account_not_found: { kind: 'not_found', text: 'There is no such account.' },
  accounts_owned_limit_reached: {
    kind: 'conflict',
    text: `A person may own ${ACCOUNTS_OWNED_MAX} accounts. Delete one, or make somebody else its owner, before creating another.`,
  },
  accounts_limit_reached: {
    kind: 'conflict',
    text: `A person may belong to ${ACCOUNTS_PER_USER_MAX} accounts. Leave one first.`,
  },
  export_busy: { kind: 'unavailable', text: 'Several accounts are being exported at the moment; try again shortly.' },
  // Saved, but not yet what gateways go by.
  deletion_not_in_force_yet: {
    kind: 'unavailable',
    text: 'The deletion is saved, but keys of the account may still work; they stop as soon as the gateways can be reached. Repeat the request to be told when they have.',
  },
  restoration_not_in_force_yet: {
    kind: 'unavailable',
    text: 'The account is restored, but its keys may not work yet; they will as soon as the gateways can be reached. Repeat the request to be told when they do.',
  },
});
