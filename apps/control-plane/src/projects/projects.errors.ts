import { defineProblems } from '@tensorloop/nest-kit/problem';

export const projectProblems = defineProblems({
  project_not_found: { kind: 'not_found', text: 'There is no such project.' },
  project_limit_reached: { kind: 'conflict', text: 'The account has as many projects as there may be.' },
  project_name_taken: { kind: 'conflict', text: 'Another project of the account has this name.' },
  project_has_active_keys: {
    kind: 'conflict',
    text: 'The project has active keys. Revoke them or put them elsewhere before archiving it.',
  },
  budget_too_large: { kind: 'limit_reached', text: 'The budget is larger than can be counted exactly.' },
  // Saved, but not yet what gateways go by.
  project_not_in_force_yet: {
    kind: 'unavailable',
    text: 'The change is saved but not yet in force for every key of the project; it will be as soon as the gateways can be reached.',
  },
});
