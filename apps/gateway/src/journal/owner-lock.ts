import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const LOCK_FILE = 'owner.lock';

/**
 * Exclusive ownership of a journal folder. Node has no flock; an exclusive SQLite transaction holds a POSIX record lock, which
 * the kernel drops with the process, `kill -9` included. Throws when another process owns the folder.
 */
export class OwnerLock {
  private constructor(private readonly database: DatabaseSync) {}

  static take(folder: string): OwnerLock {
    const database = new DatabaseSync(join(folder, LOCK_FILE), { timeout: 0 });
    try {
      database.exec('PRAGMA journal_mode = MEMORY');
      database.exec('BEGIN EXCLUSIVE');
    } catch {
      database.close();
      throw new Error(
        `The journal folder ${folder} belongs to another running gateway. Give each gateway a JOURNAL_DIR of its own.`,
      );
    }
    return new OwnerLock(database);
  }

  release(): void {
    this.database.close();
  }
}
