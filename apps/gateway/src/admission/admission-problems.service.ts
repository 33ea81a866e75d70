import { type ApiError, apiError, unavailable } from '../errors/api-error.types.js';

const RETRY_SECONDS = 1;

/** Redis is not there, or does not answer in time. */
export function admissionDown(): ApiError {
  return unavailable(
    'admission_unavailable',
    'Admission is not possible at the moment. The call was not made and nothing was charged.',
    RETRY_SECONDS,
  );
}

/** More is asked of this gateway than it can serve. */
export function overloaded(): ApiError {
  return unavailable(
    'overloaded',
    'This gateway has more calls than it can serve in time. The call was not made and nothing was charged.',
    RETRY_SECONDS,
  );
}

/** Redis answers, but what this account has spent or holds is not known there yet: unknown is not zero. */
export function stateUnknown(): ApiError {
  return unavailable(
    'admission_state_unknown',
    'What this account has spent is being restored. Try again shortly.',
    RETRY_SECONDS,
  );
}

/** Redis does not know the key, and whoever might cannot be asked: unknown is not absent. */
export function lookupDown(): ApiError {
  return unavailable(
    'key_lookup_unavailable',
    'The key could not be looked up at the moment. Try again shortly.',
    RETRY_SECONDS,
  );
}

export function unknownKey(): ApiError {
  return apiError('invalid_api_key', 'This API key does not exist.');
}
