import { defineProblems } from '@tensorloop/nest-kit/problem';

export const usageProblems = defineProblems({
  usage_unavailable: { kind: 'unavailable', text: 'Usage cannot be shown at the moment. Keys and calls are not affected.' },
  cursor_invalid: { kind: 'invalid_input', text: 'This cursor did not come from an earlier page.' },
  days_invalid: { kind: 'invalid_input', text: 'This range of days cannot be summed.' },
});
