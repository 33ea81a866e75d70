import type { Admission } from '@tensorloop/admission/admission.types';
import type { AcceptedRecord } from '../journal/journal.types.js';

/**
 * What a call counts in beside its window and its day, as the journal must remember it: a rebuild of Redis places the call
 * there again, and metering books it to the balance.
 */
export function admissionMarks({
  balance,
  parallel,
  tokens,
}: Admission): Pick<AcceptedRecord, 'isPrepaid' | 'isParallelCounted' | 'tokensCounted'> {
  return {
    ...(balance === null ? {} : { isPrepaid: true as const }),
    ...(parallel === null ? {} : { isParallelCounted: true as const }),
    ...(tokens === null ? {} : { tokensCounted: tokens.counted }),
  };
}
