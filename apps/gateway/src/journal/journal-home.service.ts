import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolderDurably } from './durable-file.js';
import { gatewayIdOf, journalIdOf, segmentsFolderOf } from './gateway-id.js';
import { OwnerLock } from './owner-lock.js';

/** What was called, by whom and for how much is nobody else's on this machine. */
const PRIVATE_FOLDER = 0o700;

/** The locked folder of one gateway. Taking it is the first thing a gateway does: two owners would publish each other's calls. */
export class JournalHome {
  readonly segmentsFolder: string;
  readonly snapshotsFolder: string;

  private constructor(
    readonly folder: string,
    readonly gatewayId: string,
    readonly journalId: string,
    private readonly lock: OwnerLock,
  ) {
    this.segmentsFolder = segmentsFolderOf(folder);
    this.snapshotsFolder = join(folder, 'snapshots');
  }

  static open(folder: string, configuredId: string | undefined): JournalHome {
    makeFolderDurably(folder);
    makePrivate(folder);
    const lock = OwnerLock.take(folder);
    try {
      makeFolderDurably(segmentsFolderOf(folder));
      return new JournalHome(folder, gatewayIdOf(folder, configuredId), journalIdOf(folder), lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  close(): void {
    this.lock.release();
  }
}

/** A folder that was there before, of an earlier release or mounted, is closed too; one that belongs to another user cannot be. */
function makePrivate(folder: string): void {
  try {
    chmodSync(folder, PRIVATE_FOLDER);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}
