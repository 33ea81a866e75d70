import { defineProblems } from '@tensorloop/nest-kit/problem';

export const usageProblems = defineProblems({
  usage_unavailable: { kind: 'unavailable', text: 'Usage cannot be shown at the moment. Keys and calls are not affected.' },
  call_not_found: { kind: 'not_found', text: 'There is no such call.' },
  time_range_invalid: { kind: 'invalid_input', text: 'This range of time holds nothing.' },
  export_busy: { kind: 'unavailable', text: 'Too many exports are being written at the moment; try again shortly.' },
  time_zone_invalid: { kind: 'invalid_input', text: 'Days of this time zone cannot be told apart.' },
  filter_unsupported: { kind: 'invalid_input', text: 'These sums are not kept for this filter.' },
  days_invalid: { kind: 'invalid_input', text: 'This range of days cannot be summed.' },
});
