import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ID_FILE = 'gateway-id';
const JOURNAL_ID_FILE = 'journal-id';
/** Who may read the journal may read what every customer called. */
const PRIVATE_FILE = 0o600;
const VALID = /^[a-z0-9-]{1,64}$/;

/**
 * The identity under which this journal's calls were held. It lives with the journal, so that a journal moved to another machine
 * still answers for its holds. A configured id that contradicts the folder is refused: it would orphan them.
 */
export function gatewayIdOf(folder: string, configured: string | undefined): string {
  const path = join(folder, ID_FILE);
  const kept = readKept(path);
  if (kept !== null && configured !== undefined && kept !== configured) {
    throw new Error(
      `GATEWAY_ID is "${configured}" but the journal in ${folder} belongs to "${kept}". Use that id or another folder.`,
    );
  }
  const id = kept ?? configured ?? `gw-${randomUUID().slice(0, 13)}`;
  if (kept === null) writeFileSync(path, id, { mode: PRIVATE_FILE });
  return id;
}

/** Tells this folder from any other that was given the same gateway id. */
export function journalIdOf(folder: string): string {
  const path = join(folder, JOURNAL_ID_FILE);
  const kept = readKept(path);
  const id = kept ?? randomUUID();
  if (kept === null) writeFileSync(path, id, { mode: PRIVATE_FILE });
  return id;
}

/** Null when there is none, or only the beginning of a write. One that is there and cannot be read must not be replaced. */
function readKept(path: string): string | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  return VALID.test(text) ? text : null;
}
