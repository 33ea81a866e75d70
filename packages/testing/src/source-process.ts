import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Beside `src` and `dist` alike. */
const REGISTER_SOURCE = new URL('../register-source.mjs', import.meta.url).href;
/** Some fifty times what a start takes: a machine that is busy with other tests was seen to need more than ten. */
const START_MS_MAX = 90_000;

export interface SourceProcess {
  child: ChildProcess;
  /** The first line of stdout that is JSON with this `msg`. */
  started: Record<string, unknown>;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/**
 * Runs a TypeScript entry point (an absolute path) in a Node process of its own, from its sources: no build comes before a
 * test, and the process can be killed. Resolves once it logs a JSON line whose `msg` is `readyMessage`.
 */
export async function startSource(entry: string, env: Record<string, string>, readyMessage: string): Promise<SourceProcess> {
  const child = spawn(process.execPath, ['--import', REGISTER_SOURCE, entry], {
    env: { PATH: process.env.PATH ?? '', NODE_NO_WARNINGS: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal);
    await ended;
  };
  try {
    return { child, started: await readyLine(child, readyMessage), stop };
  } catch (err) {
    await stop('SIGKILL');
    throw err;
  }
}

function readyLine(child: ChildProcess, readyMessage: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (why: string) => {
      clearTimeout(deadline);
      reject(new Error(`the process ${why} before it logged "${readyMessage}":\n${output}`));
    };
    const deadline = setTimeout(() => fail(`took more than ${START_MS_MAX} ms`), START_MS_MAX);
    child.once('exit', (code, signal) => fail(`ended (${signal ?? code})`));
    child.stderr?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      output += `${line}\n`;
      const entry = parse(line);
      if (entry?.msg !== readyMessage) return;
      clearTimeout(deadline);
      resolve(entry);
    });
  });
}

function parse(line: string): Record<string, unknown> | null {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null;
  }
}
