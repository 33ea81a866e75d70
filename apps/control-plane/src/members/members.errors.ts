import { defineProblems } from '@tensorloop/nest-kit/problem';

export const memberProblems = defineProblems({
  member_not_found: { kind: 'not_found', text: 'There is no such member in this account.' },
  member_above_role: {
    kind: 'forbidden',
    text: 'This member can do more than your role; only an owner can change or remove them.',
  },
  role_above_own: { kind: 'unprocessable', text: 'Nobody can give a role that may do more than their own.' },
  not_permitted: { kind: 'forbidden', text: 'Your role in this account does not allow removing others.' },
  last_owner: {
    kind: 'conflict',
    text: 'An account always has an owner. Make somebody else an owner first, or delete the account.',
  },
});
