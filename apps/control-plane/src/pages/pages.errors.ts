import { defineProblems } from '@tensorloop/nest-kit/problem';

export const pageProblems = defineProblems({
  cursor_invalid: { kind: 'invalid_input', text: 'This cursor did not come from an earlier page.' },
});
