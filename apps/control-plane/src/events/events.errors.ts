import { defineProblems } from '@tensorloop/nest-kit/problem';

export const eventProblems = defineProblems({
  too_many_streams: { kind: 'rate_limited', text: 'Too many streams of events are open; close one first.' },
  streams_unavailable: { kind: 'unavailable', text: 'Changes cannot be told of at the moment; everything else works.' },
});
