import { defineProblems } from '@tensorloop/nest-kit/problem';

export const operatorProblems = defineProblems({
  operator_account_not_found: { kind: 'not_found', text: 'There is no such account.' },
  operator_plan_unknown: {
    kind: 'unprocessable',
    text: 'There is no such plan; GET /api/operator/plans lists them all.',
  },
  operator_sign_in_again: {
    kind: 'forbidden',
    text: 'Operators change accounts within 15 minutes after signing in only. Sign in again and repeat the request.',
  },
});
