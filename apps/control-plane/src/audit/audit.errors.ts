import { defineProblems } from '@tensorloop/nest-kit/problem';

export const auditProblems = defineProblems({
  credential_over: {
    kind: 'unauthenticated',
    text: 'The session or management token of this request was ended while it was under way, so nothing was changed.',
  },
  changes_throttled: {
    kind: 'rate_limited',
    text: 'You have changed more in this account today than anybody needs to; what takes access away still works.',
  },
  audit_busy: {
    kind: 'rate_limited',
    text: 'Too many audit logs are being exported or verified at the moment; try again shortly.',
  },
});
