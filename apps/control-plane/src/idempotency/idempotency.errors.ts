import { defineProblems } from '@tensorloop/nest-kit/problem';

export const idempotencyProblems = defineProblems({
  idempotency_key_invalid: {
    kind: 'invalid_input',
    text: 'An Idempotency-Key is one header of 1 to 255 printable ASCII characters; a random UUID will do.',
  },
  idempotency_key_reused: {
    kind: 'unprocessable',
    text: 'This Idempotency-Key came with another body before. Use a new key for another request.',
  },
  idempotency_in_flight: {
    kind: 'conflict',
    text: 'The first request with this Idempotency-Key is still under way. Repeat the request shortly.',
  },
});
