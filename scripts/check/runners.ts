import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ROOT } from '../bootstrap/paths.mjs';
import { type FileTime, reportSlowest } from './report.ts';

export interface CheckResult {
  name?: string;
  seconds: number;
  passed: number;
  failed: number;
  succeeded: boolean;
}

/** A check that is right or wrong as a whole; it counts as one test only when it fails. */
export async function runTool(command: [string, ...string[]]): Promise<CheckResult> {
  const begin = performance.now();
  const succeeded = (await run(command)) === 0;
  return { seconds: (performance.now() - begin) / 1000, passed: 0, failed: succeeded ? 0 : 1, succeeded };
}

/** One of the projects in jest.config.js. Finding no test is a failure: an empty run proves nothing. */
export async function runJest(project: string, workers: number): Promise<CheckResult> {
  const begin = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'tensorloop-jest-'));
  const outputFile = join(folder, 'results.json');
  const options = ['--maxWorkers', String(workers), '--json', '--outputFile', outputFile];
  const code = await run(['node', 'scripts/check/jest.mjs', '--selectProjects', project, ...options], {
    env: { NODE_OPTIONS: '--experimental-vm-modules' },
    // Asked for JSON, Jest tells people on standard error, and standard output would be the JSON once more.
    stdout: 'ignore',
  });
  const { passed, failed, files } = readOutcome(outputFile);
  rmSync(folder, { recursive: true, force: true });
  if (passed + failed === 0) console.error(`No test ran in the project "${project}".`);
  reportSlowest(files);
  const succeeded = code === 0 && failed === 0 && passed > 0;
  return { seconds: (performance.now() - begin) / 1000, passed, failed: succeeded ? 0 : Math.max(failed, 1), succeeded };
}

interface JestOutcome {
  passed: number;
  failed: number;
  files: FileTime[];
}

function readOutcome(file: string): JestOutcome {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // Jest ended before it wrote one: nothing ran, and that is a failure.
    return { passed: 0, failed: 0, files: [] };
  }
  const result = JSON.parse(text);
  return {
    passed: result.numPassedTests,
    // A suite that cannot be loaded has no tests of its own, and must not look like nothing.
    failed: result.numFailedTests + result.numRuntimeErrorTestSuites,
    files: result.testResults.map(({ name, startTime, endTime }: { name: string; startTime: number; endTime: number }) => ({
      path: relative(ROOT, name),
      seconds: (endTime - startTime) / 1000,
    })),
  };
}

interface RunOptions {
  env?: Record<string, string>;
  stdout?: 'ignore' | 'inherit';
}

function run([file, ...args]: [string, ...string[]], { env, stdout = 'inherit' }: RunOptions = {}): Promise<number> {
  const child = spawn(file, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', stdout, 'inherit'] });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(`${file}: ${error.message}`);
      resolve(1);
    });
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
