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
export function addMarks(marks: Marks, admission: Admission, callTags: Tags | null): void {
  const { balance, parallel, tokens, project, tags } = admission;
  const merged = mergeTags(tags, callTags);
  if (balance !== null) marks.isPrepaid = true;
  if (parallel !== null) marks.isParallelCounted = true;
  if (tokens !== null) marks.tokensCounted = tokens.counted;
  if (project !== null) {
    marks.projectId = project.id;
    marks.projectWindowIndex = project.windowIndex;
    marks.projectWindowStartMs = project.windowStartMs;
  }
  if (merged !== null) marks.tags = merged;
}
