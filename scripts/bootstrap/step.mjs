import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOGS, ROOT, toolEnvironment } from './paths.mjs';

const TAIL_LINES = 30;

/** Something the user must act on. Its message is all that is shown. */
export class StepFailed extends Error {}

/** Prints a step's name, runs it, prints its seconds; on standard error, so that an answer can be piped. */
export async function step(title, work) {
  process.stderr.write(`  ${title.padEnd(34)}`);
  const begin = performance.now();
  try {
    const result = await work();
    console.error(`${((performance.now() - begin) / 1000).toFixed(1).padStart(6)} s`);
    return result;
  } catch (error) {
    console.error('failed');
    throw error;
  }
}

/** Runs a tool with its output in .data/logs/<name>.log; throws StepFailed with the log's end and what to do. */
export async function runLogged(name, [file, ...args], whatToDo) {
  mkdirSync(LOGS, { recursive: true });
  const logFile = join(LOGS, `${name}.log`);
  const log = openSync(logFile, 'w');
  const child = spawn(file, args, { cwd: ROOT, env: toolEnvironment(), stdio: ['ignore', log, log] });
  const ending = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? code));
  });
  closeSync(log);
  if (ending === 0) return;
  const tail = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  throw new StepFailed(`${tail}\n\n"${[file, ...args].join(' ')}" ended with ${ending}. ${whatToDo} Whole log: ${logFile}`);
}
