import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Pinned: what a conformance test found yesterday it shall find today. */
const OPENAI_VERSION = '2.8.1';
const FOLDER = join(import.meta.dirname, '../../../.cache', `python-openai-${OPENAI_VERSION}`);
const PYTHON = join(FOLDER, 'bin/python');
const INSTALL_TIMEOUT_MS = 180_000;
const RUN_TIMEOUT_MS = 120_000;

const run = promisify(execFile);

export type PythonWithOpenAi = { python: string; version: string } | { absent: string };

function answerOf(python: string, code: string): string | null {
  try {
    return execFileSync(python, ['-c', code], {
      encoding: 'utf8',
      timeout: RUN_TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return null;
  }
}

function install(): string | null {
  try {
    mkdirSync(FOLDER, { recursive: true });
    const options = { timeout: INSTALL_TIMEOUT_MS, stdio: 'ignore' as const };
    execFileSync('python3', ['-m', 'venv', FOLDER], options);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--retries=0', `openai==${OPENAI_VERSION}`];
    execFileSync(PYTHON, pip, options);
    return null;
  } catch {
    return `openai ${OPENAI_VERSION} could not be installed into a virtual environment`;
  }
}

/** Python with OpenAI's package, in a virtual environment below .cache that is made once; or what is in the way. */
export function findPythonWithOpenAi(): PythonWithOpenAi {
  if (answerOf('python3', 'import sys; assert sys.version_info >= (3, 9)') === null)
    return { absent: 'there is no Python 3.9' };
  const problem = installedVersion() === null ? install() : null;
  const version = installedVersion();
  return version === null ? { absent: problem ?? 'the installed package does not load' } : { python: PYTHON, version };
}

/** Null when there is none. */
export function installedVersion(): string | null {
  return existsSync(PYTHON) ? answerOf(PYTHON, 'import openai; print(openai.__version__, end="")') : null;
}

/** What the script prints, one JSON value. */
export async function runPython(python: string, script: string, env: Record<string, string>): Promise<unknown> {
  const { stdout } = await run(python, ['-c', script], { env, timeout: RUN_TIMEOUT_MS });
  return JSON.parse(stdout);
}
