import { defineProblems } from '@tensorloop/nest-kit/problem';

export const planProblems = defineProblems({
  plan_unknown: { kind: 'unprocessable', text: 'There is no such plan; GET /api/plans lists those there are.' },
  plan_by_agreement: {
    kind: 'unprocessable',
    text: 'This plan is agreed one by one and cannot be chosen here. Ask whoever runs this installation.',
  },
  account_not_active: {
    kind: 'conflict',
    text: 'The account is disabled or about to be deleted; nothing can be changed in it until that is taken back.',
  },
  // Saved, but not yet what gateways go by.
  plan_not_in_force_yet: {
    kind: 'unavailable',
    text: 'The plan is saved but not yet in force for every key; it will be as soon as the gateways can be reached. Repeat the request to be told when it is.',
  },
});
