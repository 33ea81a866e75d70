import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceName } from '../topology/parts.js';
import type { FaultKind } from './fault.types.js';

/** The gateway whose journal lies on the small disk. */
export const SMALL_DISK_GATEWAY = 'gateway-1';
const SMALL_DISK_MEGABYTES = 192;
const FILLER = 'filler';
const PIECE = Buffer.alloc(1024 * 1024, 1);

export interface SmallDisk {
  folder: string;
  /** Said in the log: not every machine lets us mount one. */
  how: string;
  remove(): void;
}

/** A tmpfs of its own for one journal, which needs root; null where that is not allowed. */
export function mountSmallDisk(folder: string): SmallDisk | null {
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_MEGABYTES}m`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return null;
  }
  return {
    folder,
    how: `the journal of ${SMALL_DISK_GATEWAY} is on a tmpfs of ${SMALL_DISK_MEGABYTES} MB`,
    remove: () => execFileSync('umount', ['-l', folder], { stdio: 'ignore' }),
  };
}

function isMounted(folder: string): boolean {
  const { blocks, bsize } = statfsSync(folder);
  return blocks * bsize === SMALL_DISK_MEGABYTES * 1024 * 1024;
}

/**
 * Every byte of the journal's disk is taken. On a tmpfs of its own; where that could not be mounted, by a limit on the size of
 * the gateway's files, after which writes fail with EFBIG in place of ENOSPC.
 */
const fillDisk: FaultKind = {
  kind: 'fill disk of a journal',
  weight: 4,
  draw: (random) => ({ target: SMALL_DISK_GATEWAY, holdMs: random.between(500, 5_000), detail: {} }),
  locks: ({ target }) => [target],
  inject: async ({ installation, log }, { target }) => {
    const folder = installation.journalFolder(target);
    if (isMounted(folder)) {
      const file = join(folder, FILLER);
      fill(file);
      return async () => rmSync(file, { force: true });
    }
    const pid = String(installation.part(target as ServiceName).pid);
    log('no tmpfs: the size of the files of the gateway is limited instead');
    execFileSync('prlimit', ['--pid', pid, '--fsize=0:unlimited']);
    return async () => void execFileSync('prlimit', ['--pid', pid, '--fsize=unlimited:unlimited']);
  },
};

function fill(file: string): void {
  const descriptor = openSync(file, 'w');
  try {
    for (let size = PIECE.length; size >= 1; size = Math.floor(size / 16)) {
      for (let written = size; written === size; ) written = tryWrite(descriptor, PIECE.subarray(0, size));
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Bytes written; 0 when the disk is full. */
function tryWrite(descriptor: number, piece: Buffer): number {
  try {
    return writeSync(descriptor, piece);
  } catch {
    return 0;
  }
}

export const DISK_FAULTS: readonly FaultKind[] = [fillDisk];
