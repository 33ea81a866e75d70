import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

export interface User {
  uid: number;
  gid: number;
}

export interface Command {
  file: string;
  args: string[];
  /** Whom to run as. Only root can choose; null keeps the caller. */
  user?: User | null;
  /** Folders that `user` must be able to reach. */
  reaches?: string[];
  /** The whole environment of the process; without it the caller's own. */
  env?: Record<string, string | undefined>;
}

export interface PreparedCommand {
  file: string;
  args: string[];
  uid?: number;
  gid?: number;
}

/** The first executable of that name on PATH, or null. */
export function findOnPath(name: string): string | null {
  // biome-ignore lint/style/noProcessEnv: PATH is how a machine says where its programs are; it is no setting of ours.
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

/** An unprivileged user when the caller is root (PostgreSQL refuses to run as root), else null. */
export function unprivilegedUser(): User | null {
  if (process.getuid?.() !== 0) return null;
  const users = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const fields = users.find((line) => line.startsWith(`${name}:`))?.split(':');
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error(
    'PostgreSQL does not run as root and this machine has no user "postgres" or "nobody"; run as another user or set DATABASE_URL.',
  );
}

/**
 * Wraps a command so that the server dies with the process that started it, however that one ends: no kill -9 of a test
 * run leaves a server behind. Needs `setpriv` (util-linux, part of every Debian); without it the server simply runs.
 */
export function prepareCommand(command: Command, deathSignal: string): PreparedCommand {
  const setpriv = findOnPath('setpriv');
  const user = command.user ?? null;
  const unreachable = user ? (command.reaches ?? []).find((folder) => !isOpenToAll(folder)) : undefined;
  if (!setpriv) {
    if (unreachable)
      throw new Error(
        `The user that runs PostgreSQL cannot enter ${unreachable}; move the repository to a folder that is open to all, or install util-linux.`,
      );
    return { file: command.file, args: command.args, ...user };
  }
  const privileges = user ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'] : [];
  // A checkout below /root is closed to the other user: give that one process the right to pass, nothing else. initdb asks
  // access(2), which ignores capabilities of a plain user unless no_setuid_fixup is set.
  if (unreachable) privileges.push('--inh-caps=+dac_override', '--ambient-caps=+dac_override', '--securebits=+no_setuid_fixup');
  return { file: setpriv, args: ['--pdeathsig', deathSignal, ...privileges, command.file, ...command.args] };
}

function isOpenToAll(path: string): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o005) !== 0o005) return false;
    if (folder === dirname(folder)) return true;
  }
}
