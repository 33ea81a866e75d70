import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Who may read the journal may read what every customer called. */
const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;

/** Writes a small file so that a loss of power leaves it whole, or as it was before. For the start of a process: it blocks. */
export function writeDurably(path: string, text: string): void {
  const fresh = join(dirname(path), `.${basename(path)}.new`);
  const file = openSync(fresh, 'w', PRIVATE_FILE);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(fresh, path);
  syncFolder(dirname(path));
}

/** Makes a folder, and those above it that are missing, so that a loss of power does not take it away with what is in it. */
export function makeFolderDurably(folder: string): void {
  const whole = resolve(folder);
  const first = mkdirSync(whole, { recursive: true, mode: PRIVATE_FOLDER });
  if (first === undefined) return;
  for (let made = whole; made.length >= first.length; made = dirname(made)) syncFolderAbove(made);
}

/** One that may be written to and not read cannot be synced either: what a crash takes then is as before this release. */
function syncFolderAbove(made: string): void {
  try {
    syncFolder(dirname(made));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
