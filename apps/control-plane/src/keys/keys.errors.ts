import { defineProblems } from '@tensorloop/nest-kit/problem';

export const keyProblems = defineProblems({
  key_not_found: { kind: 'not_found', text: 'There is no such key.' },
  unknown_model: { kind: 'limit_reached', text: 'There is no such model.' },
  model_not_in_plan: { kind: 'limit_reached', text: 'The plan does not include this model.' },
  budget_zero: { kind: 'limit_reached', text: 'A key needs a budget above 0.' },
  budget_above_plan: { kind: 'limit_reached', text: 'The budget is above what the plan allows per key.' },
  rpm_above_plan: { kind: 'limit_reached', text: 'The requests per minute are above what the plan allows per key.' },
  plan_key_limit_reached: { kind: 'conflict', text: 'The plan allows no more active keys.' },
  // Saved, but not yet what gateways go by.
  key_not_active_yet: {
    kind: 'unavailable',
    text: 'The change is saved but not yet in force; it will be as soon as the gateways can be reached.',
  },
});
