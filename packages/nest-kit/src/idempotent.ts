import { SetMetadata } from '@nestjs/common';

export const IDEMPOTENT_METADATA = 'tensorloop:idempotent';

/**
 * The route takes an Idempotency-Key: its effect happens once for all requests that carry the same one, and all get the same
 * answer. What carries it out is the app's.
 */
export const Idempotent = () => SetMetadata(IDEMPOTENT_METADATA, true);
