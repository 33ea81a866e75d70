import { mkdirSync } from 'node:fs';
import { ManagedServer } from './managed-server.js';
import { askPort } from './probe.js';
import { findRedisProgram, type RedisProgram } from './redis-program.js';

export interface RedisOptions {
  folder: string;
  port?: number;
  /** Without it the log is server.log in the folder. */
  logFile?: string | undefined;
  /** `append-only` writes a log that is fsynced every second; `none` forgets everything when the process ends. */
  persistence: 'append-only' | 'none';
  warn?: (text: string) => void;
}

/** Starts a Redis of our own. */
export async function startRedis(options: RedisOptions): Promise<ManagedServer> {
  const program = findRedisProgram(options.warn ?? console.warn);
  mkdirSync(options.folder, { recursive: true });
  return ManagedServer.start(
    {
      name: 'Redis',
      folder: options.folder,
      logFile: options.logFile,
      stopSignal: 'SIGTERM',
      command: (port) => ({ file: program.file, args: [...program.leadingArgs, ...programArgs(program, port, options)] }),
      probe: (port) => askPort(port, 'PING\r\n', /\+PONG/),
      url: (port) => `redis://127.0.0.1:${port}`,
    },
    options.port,
  );
}

function programArgs(program: RedisProgram, port: number, options: RedisOptions): string[] {
  if (program.kind === 'javascript') return ['--port', String(port)];
  const append = options.persistence === 'append-only';
  return [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', options.folder, '--save', ''],
    ...['--appendonly', append ? 'yes' : 'no', '--appendfsync', 'everysec'],
    // What is kept has a few megabytes, and the log of a busy minute fills the usual 64: each rewrite is a fork and a burst of writes.
    ...['--auto-aof-rewrite-min-size', '256mb'],
    // Admission state that vanishes one key at a time would read as zero spend: run out of memory loudly instead.
    ...['--maxmemory-policy', 'noeviction'],
  ];
}
