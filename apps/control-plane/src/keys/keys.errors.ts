import { defineProblems } from '@tensorloop/nest-kit/problem';

export const keyProblems = defineProblems({
  key_not_found: { kind: 'not_found', text: 'There is no such key.' },
  unknown_model: { kind: 'unprocessable', text: 'There is no such model.' },
  model_not_in_plan: { kind: 'limit_reached', text: 'The plan does not include this model.' },
  budget_zero: { kind: 'unprocessable', text: 'A key needs a budget above 0.' },
  budget_above_plan: { kind: 'limit_reached', text: 'The budget is above what the plan allows per key.' },
  rpm_above_plan: { kind: 'limit_reached', text: 'The requests per minute are above what the plan allows per key.' },
  fixed_at_mint: {
    kind: 'unprocessable',
    text: 'The models and the expiry of a key are fixed when it is minted. Mint another key with those that you need and revoke this one.',
  },
  unknown_project: { kind: 'unprocessable', text: 'There is no such project.' },
  project_archived: { kind: 'unprocessable', text: 'The project is archived and takes no keys.' },
  owner_not_member: { kind: 'unprocessable', text: 'A key can be owned by a member of the account only.' },
  plan_key_limit_reached: { kind: 'conflict', text: 'The plan allows no more active keys.' },
  key_not_active: { kind: 'conflict', text: 'The key is revoked or has expired and cannot be changed any more.' },
  account_not_active: { kind: 'conflict', text: 'The account is disabled or about to be deleted and mints no keys.' },
  too_many_mints: { kind: 'rate_limited', text: 'Too many keys were minted within an hour.' },
  // Saved, but not yet what gateways go by.
  key_not_active_yet: {
    kind: 'unavailable',
    text: 'The change is saved but not yet in force; it will be as soon as the gateways can be reached.',
  },
});
