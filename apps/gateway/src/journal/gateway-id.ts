import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from './durable-file.js';
import { recordedIdOf } from './recorded-id.js';

const ID_FILE = 'gateway-id';
const JOURNAL_ID_FILE = 'journal-id';
const SEGMENTS_FOLDER = 'segments';
const VALID = /^[a-z0-9-]{1,64}$/;
/** Ends an id that was written whole. Earlier releases wrote none. */
const END = '\n';
const GENERATED = /^gw-[0-9a-f]{8}-[0-9a-f]{4}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function segmentsFolderOf(folder: string): string {
  return join(folder, SEGMENTS_FOLDER);
}

/**
 * The identity under which this journal's calls were held. It lives with the journal, so that a journal moved to another machine
 * still answers for its holds. A configured id that contradicts the folder is refused: it would orphan them. Where a crash took
 * the id and left records, theirs is taken: acknowledgements of their calls are sent to that id alone.
 */
export function gatewayIdOf(folder: string, configured: string | undefined): string {
  const path = join(folder, ID_FILE);
  const kept = readKept(path);
  const isWhole = kept !== null && (kept.hasEnd || GENERATED.test(kept.id));
  const known = isWhole ? kept.id : (recordedIdOf(segmentsFolderOf(folder)) ?? unlessCut(kept?.id, configured));
  if (known !== undefined && configured !== undefined && known !== configured) {
    throw new Error(
      `GATEWAY_ID is "${configured}" but the journal in ${folder} belongs to "${known}". Use that id or another folder.`,
    );
  }
  const id = known ?? configured ?? `gw-${randomUUID().slice(0, 13)}`;
  if (kept?.hasEnd !== true) writeDurably(path, id + END);
  return id;
}

/** Tells this folder from any other that was given the same gateway id. */
export function journalIdOf(folder: string): string {
  const path = join(folder, JOURNAL_ID_FILE);
  const kept = readKept(path);
  const id = kept !== null && UUID.test(kept.id) ? kept.id : randomUUID();
  if (kept?.hasEnd !== true) writeDurably(path, id + END);
  return id;
}

/**
 * What is taken for an id that lies there without its end, where no record names one and hence nothing is owed under it: none, but
 * where another is configured it may be whole, of an earlier release, and contradict that one.
 */
function unlessCut(kept: string | undefined, configured: string | undefined): string | undefined {
  return kept === undefined || configured === undefined || configured.startsWith(kept) ? undefined : kept;
}

/** Null when there is none, or nothing that an id begins with. One that is there and cannot be read must not be replaced. */
function readKept(path: string): { id: string; hasEnd: boolean } | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const id = text.trim();
  return VALID.test(id) ? { id, hasEnd: text.endsWith(END) } : null;
}
