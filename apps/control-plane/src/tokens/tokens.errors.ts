import { TOKENS_PER_ACCOUNT_MAX } from '@tensorloop/contracts/api/tokens';
import { defineProblems } from '@tensorloop/nest-kit/problem';

export const tokenProblems = defineProblems({
  // Why is said each time: whoever holds the text may know what became of it.
  token_invalid: { kind: 'unauthenticated', text: 'The management token opens nothing.' },
  session_required: {
    kind: 'forbidden',
    text: 'This belongs to a person and takes a session: sign in. Management tokens act for an account.',
  },
  token_not_found: { kind: 'not_found', text: 'There is no such management token.' },
  token_role_above_own: { kind: 'unprocessable', text: 'A management token can do no more than whoever creates it.' },
  token_limit_reached: {
    kind: 'conflict',
    text: `An account has at most ${TOKENS_PER_ACCOUNT_MAX} management tokens that work. Revoke one before creating another.`,
  },
  token_above_role: {
    kind: 'forbidden',
    text: 'This management token can do more than your role; an owner or admin can revoke it.',
  },
  account_not_active: {
    kind: 'conflict',
    text: 'The account is disabled or about to be deleted; no tokens are created in it.',
  },
});
