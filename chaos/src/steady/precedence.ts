import { readdirSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

const NICENESS = -10;

/**
 * Clients and providers are on machines of their own; here they share the cores with what is measured. Going first, they are
 * as fast under an overload as they would be there, so that what is late is late for what the product itself does. False = this
 * user may not do that, or this system cannot.
 */
export function goFirst(pid: number): boolean {
  try {
    // Linux counts niceness by thread.
    for (const thread of readdirSync(`/proc/${pid}/task`)) raise(Number(thread));
  } catch {
    return false;
  }
  try {
    // Where it weighs sessions against each other, by session as well; a kernel without that has no such file.
    writeFileSync(`/proc/${pid}/autogroup`, String(NICENESS));
  } catch {}
  return true;
}

function raise(thread: number): void {
  try {
    setPriority(thread, NICENESS);
  } catch (error) {
    const { info } = error as NodeJS.ErrnoException & { info?: { code?: string } };
    // It has ended meanwhile.
    if (info?.code !== 'ESRCH') throw error;
  }
}
