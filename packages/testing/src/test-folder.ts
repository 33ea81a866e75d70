import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new empty folder outside the repository. */
export function makeTestFolder(purpose: string): string {
  return mkdtempSync(join(tmpdir(), `tensorloop-${purpose}-`));
}

export function removeTestFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
