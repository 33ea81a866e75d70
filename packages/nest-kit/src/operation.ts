import { SetMetadata } from '@nestjs/common';
import type { HeaderParameter } from './openapi/openapi.types.js';
import type { ProblemFactory } from './problem.js';

export const SUMMARY_METADATA = 'tensorloop:summary';
export const DESCRIPTION_METADATA = 'tensorloop:description';
export const HEADER_METADATA = 'tensorloop:header';
export const PROBLEMS_METADATA = 'tensorloop:problems';

/** What the route does, in a line: "Mint a key". The API's description shows it; a route under /api without one fails a test. */
export const Summary = (text: string) => SetMetadata(SUMMARY_METADATA, text);

/** What no schema says of the route, in sentences: what a stream or a file is made of. Markdown. */
export const Description = (text: string) => SetMetadata(DESCRIPTION_METADATA, text);

/** A header that the handler reads by itself. */
export const TakesHeader = (header: HeaderParameter) => SetMetadata(HEADER_METADATA, header);

/**
 * The problems that are this route's own, or those of all routes of the controller: `@Problems(keyProblems.key_not_found)`. What follows from its other declarations
 * (no session, a body that is not valid, …) is added to the API's description without being named.
 */
export const Problems = (...problems: readonly ProblemFactory[]) => SetMetadata(PROBLEMS_METADATA, problems);
