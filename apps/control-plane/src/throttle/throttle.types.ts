import { throttleProblems } from './throttle.errors.js';

/** What a route says of itself that asks `ThrottleService`, by what it asks. That of requests is every credential route's. */
export const throttleRefusals = { attempt: throttleProblems.sign_in_throttled, mail: throttleProblems.mail_throttled } as const;
