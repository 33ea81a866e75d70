import { defineProblems } from '@tensorloop/nest-kit/problem';

export const auditProblems = defineProblems({
  audit_cursor_invalid: { kind: 'invalid_input', text: 'This cursor did not come from an earlier page.' },
  audit_busy: {
    kind: 'rate_limited',
    text: 'Too many audit logs are being exported or verified at the moment; try again shortly.',
  },
});
