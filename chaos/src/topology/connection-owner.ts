import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LOCAL = '0100007F';
const INODE_COLUMN = 9;

function hexPort(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}

/** The kernel's number of the socket that is bound to `localPort` and connected to `remotePort` on 127.0.0.1, or null. */
function socketInode(localPort: number, remotePort: number): string | null {
  const pair = `${LOCAL}:${hexPort(localPort)} ${LOCAL}:${hexPort(remotePort)}`;
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find((candidate) => candidate.includes(pair));
  return line?.trim().split(/\s+/)[INODE_COLUMN] ?? null;
}

function holds(pid: number, target: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${descriptor}`) === target;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

/**
 * Which of the processes opened the connection, or null. The gateways share one address of their provider (it is in the
 * catalogue), so who calls can only be told by asking the kernel.
 */
export function connectionOwner(clientPort: number, serverPort: number, pids: readonly number[]): number | null {
  const inode = socketInode(clientPort, serverPort);
  if (inode === null) return null;
  const target = `socket:[${inode}]`;
  return pids.find((pid) => holds(pid, target)) ?? null;
}
