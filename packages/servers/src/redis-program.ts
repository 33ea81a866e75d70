import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { findOnPath } from './launcher.js';

const INSTALL_TIMEOUT_MS = 180_000;

export interface RedisProgram {
  kind: 'native' | 'javascript';
  file: string;
  leadingArgs: string[];
}

/**
 * A Redis to run, in this order: redis-server or valkey-server on PATH; on Debian as root the distribution's package;
 * else a JavaScript stand-in, loudly, because its figures and its crash behaviour prove nothing.
 */
export function findRedisProgram(warn: (text: string) => void): RedisProgram {
  const native = findNative() ?? installNative(warn);
  if (native) return { kind: 'native', file: native, leadingArgs: [] };
  warn(
    'WARNING: no redis-server was found. A JavaScript stand-in is used: it keeps nothing on disk and no figure measured ' +
      'with it counts. Install redis-server (7 or newer) or valkey-server, or set REDIS_URL.',
  );
  const entry = createRequire(import.meta.url).resolve('js-redis-server');
  return { kind: 'javascript', file: process.execPath, leadingArgs: [join(dirname(entry), 'cli.js')] };
}

function findNative(): string | null {
  return findOnPath('redis-server') ?? findOnPath('valkey-server');
}

function installNative(warn: (text: string) => void): string | null {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version') || !findOnPath('apt-get')) return null;
  warn('No redis-server on PATH: installing the Debian package redis-server.');
  // Our instance is private; the policy keeps the package from starting a server of its own on port 6379.
  const script = [
    'set -e',
    'export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1',
    'apt-get install -y -qq --no-install-recommends redis-server || { apt-get update -qq; apt-get install -y -qq --no-install-recommends redis-server; }',
  ].join('\n');
  const result = spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8', timeout: INSTALL_TIMEOUT_MS });
  if (result.status !== 0) warn(`apt-get could not install redis-server: ${result.stderr.trim().split('\n').at(-1) ?? ''}`);
  return findNative();
}
