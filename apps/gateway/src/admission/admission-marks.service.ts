import type { Admission } from '@tensorloop/admission/admission.types';
import type { Tags } from '@tensorloop/contracts/tags';
import { mergeTags } from '../attribution/tags-header.service.js';
import type { AcceptedRecord } from '../journal/journal.types.js';

type Marks = Pick<
  AcceptedRecord,
  'isPrepaid' | 'isParallelCounted' | 'tokensCounted' | 'projectId' | 'projectWindowIndex' | 'projectWindowStartMs' | 'tags'
>;

/**
 * What a call counts in beside its window and its day, and whom it is attributed to, as the journal must remember it: a rebuild
 * of Redis places the call there again, and metering books it to the balance and to the project.
 */
export function admissionMarks({ balance, parallel, tokens, project, tags }: Admission, callTags: Tags | null): Marks {
  const merged = mergeTags(tags, callTags);
  return {
    ...(balance === null ? {} : { isPrepaid: true as const }),
    ...(parallel === null ? {} : { isParallelCounted: true as const }),
    ...(tokens === null ? {} : { tokensCounted: tokens.counted }),
    ...(project === null ? {} : projectMarks(project)),
    ...(merged === null ? {} : { tags: merged }),
  };
}

function projectMarks({ id, windowIndex, windowStartMs }: NonNullable<Admission['project']>): Marks {
  return { projectId: id, projectWindowIndex: windowIndex, projectWindowStartMs: windowStartMs };
}
