import { SetMetadata } from '@nestjs/common';
import type { ProblemFactory } from './problem.js';

export const SUMMARY_METADATA = 'tensorloop:summary';
export const PROBLEMS_METADATA = 'tensorloop:problems';

/** What the route does, in a line: "Mint a key". The API's description shows it; a route under /api without one fails a test. */
export const Summary = (text: string) => SetMetadata(SUMMARY_METADATA, text);

/**
 * The problems that are this route's own, or those of all routes of the controller: `@Problems(keyProblems.key_not_found)`. What follows from its other declarations
 * (no session, a body that is not valid, …) is added to the API's description without being named.
 */
export const Problems = (...problems: readonly ProblemFactory[]) => SetMetadata(PROBLEMS_METADATA, problems);
