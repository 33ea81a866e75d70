import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { gatewayIdOf } from './gateway-id.js';
import { OwnerLock } from './owner-lock.js';

/** The locked folder of one gateway. Taking it is the first thing a gateway does: two owners would publish each other's calls. */
export class JournalHome {
  readonly segmentsFolder: string;
  readonly snapshotsFolder: string;

  private constructor(
    readonly folder: string,
    readonly gatewayId: string,
    private readonly lock: OwnerLock,
  ) {
    this.segmentsFolder = join(folder, 'segments');
    this.snapshotsFolder = join(folder, 'snapshots');
  }

  static open(folder: string, configuredId: string | undefined): JournalHome {
    mkdirSync(folder, { recursive: true });
    const lock = OwnerLock.take(folder);
    try {
      return new JournalHome(folder, gatewayIdOf(folder, configuredId), lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  close(): void {
    this.lock.release();
  }
}
