import { readFileSync } from 'node:fs';

/** Whether no process of that id runs any more. */
export function isGone(pid: number): boolean {
  try {
    // A zombie holds no memory, lock or port any more; only its parent's wait is outstanding.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.startsWith('Z') ?? true;
  } catch {
    return true;
  }
}
