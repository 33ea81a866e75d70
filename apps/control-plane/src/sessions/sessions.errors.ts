import { defineProblems } from '@tensorloop/nest-kit/problem';

export const sessionProblems = defineProblems({
  session_not_found: { kind: 'not_found', text: 'There is no such session.' },
});
