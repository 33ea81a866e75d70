import { readdirSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

const NICENESS = -10;

/**
 * Clients and providers are on machines of their own; here they share the cores with what is measured. Going first, they are
 * as fast under an overload as they would be there, so that what is late is late for what the product itself does. False = this
 * user may not do that.
 */
export function goFirst(pid: number): boolean {
  try {
    // Linux counts niceness by thread, and where it weighs sessions against each other, by session as well.
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), NICENESS);
    writeFileSync(`/proc/${pid}/autogroup`, String(NICENESS));
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'EINVAL';
  }
}
