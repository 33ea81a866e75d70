import { defineProblems } from '@tensorloop/nest-kit/problem';

export const googleProblems = defineProblems({
  google_not_configured: { kind: 'not_found', text: 'This installation does not offer to sign in with Google.' },
  google_not_linked: { kind: 'not_found', text: 'No Google account is linked to yours.' },
  google_only_way_in: {
    kind: 'conflict',
    text: 'Google is your only way to sign in. Set a password first, then unlink it.',
  },
  recent_sign_in_needed: {
    kind: 'forbidden',
    text: 'This changes how you sign in, and you signed in too long ago. Sign in again, then repeat it within 15 minutes.',
  },
});
