import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, prepareCommand } from './launcher.js';
import { isGone } from './pids.js';
import { poll } from './poll.js';

const DEFAULT_STOP_TIMEOUT_MS = 10_000;
const KILL_TIMEOUT_MS = 10_000;
const LOG_TAIL_LINES = 15;

export interface ProcessOptions {
  name: string;
  command: Command;
  logFile: string;
  /** Asks for an orderly end; PostgreSQL's "fast shutdown" is SIGINT. */
  stopSignal: 'SIGTERM' | 'SIGINT';
  /** How long an orderly end may take before it is forced. */
  stopTimeoutMs?: number;
}

/** One running server process with its log file. */
export class ServerProcess {
  readonly exited: Promise<string>;
  private readonly child: ChildProcess;
  private exitText: string | null = null;

  constructor(private readonly options: ProcessOptions) {
    const log = openSync(options.logFile, 'a', 0o600);
    const { file, args, ...identity } = prepareCommand(options.command, options.stopSignal.slice(3));
    // A process group of its own: Ctrl-C in the terminal must reach the servers through us, after the services.
    const env = options.command.env;
    this.child = spawn(file, args, { ...identity, ...(env && { env }), stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.exited = new Promise((resolve) => {
      const end = (text: string) => {
        this.exitText ??= text;
        resolve(this.exitText);
      };
      this.child.once('error', (error) => end(`could not be started: ${error.message}`));
      this.child.once('exit', (code, signal) => end(signal ? `was ended by ${signal}` : `ended with code ${code}`));
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** How the process ended, or null while it runs. */
  get ending(): string | null {
    return this.exitText;
  }

  logTail(lines = LOG_TAIL_LINES): string {
    return readFileSync(this.options.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** Asks the process to end, and kills it when it has not within the bound. */
  async stop(): Promise<void> {
    if (this.exitText !== null) return;
    this.child.kill(this.options.stopSignal);
    const bound = new AbortController();
    const timeout = delay(this.options.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS, 'timeout', { signal: bound.signal }).catch(
      () => 'stopped',
    );
    const outcome = await Promise.race([this.exited, timeout]);
    bound.abort();
    if (outcome === 'timeout') await this.kill();
  }

  /** kill -9 of the process and all its descendants; returns when none of them is left. */
  async kill(): Promise<void> {
    if (this.exitText !== null) return;
    const pids = [this.pid, ...descendants(this.pid)];
    for (const pid of pids) killQuietly(pid);
    await poll(async () => this.exitText !== null && pids.every(isGone), {
      timeoutMs: KILL_TIMEOUT_MS,
      failure: `${this.options.name} was killed but did not end`,
    });
  }
}

function descendants(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    return children.flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return [];
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended by itself meanwhile.
  }
}
