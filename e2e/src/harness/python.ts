import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Pinned: what a conformance test found yesterday it shall find today. */
const OPENAI_VERSION = '2.8.1';
const FOLDER = join(import.meta.dirname, '../../../.cache', `python-openai-${OPENAI_VERSION}`);
const INSTALL_TIMEOUT_MS = 60_000;
const RUN_TIMEOUT_MS = 30_000;

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

function install(folder: string): string | null {
  try {
    mkdirSync(folder, { recursive: true });
    const options = { timeout: INSTALL_TIMEOUT_MS, stdio: 'ignore' as const };
    execFileSync('python3', ['-m', 'venv', folder], options);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `openai==${OPENAI_VERSION}`];
    execFileSync(join(folder, 'bin/python'), pip, options);
    return null;
  } catch (error) {
    return `openai ${OPENAI_VERSION} could not be installed into a virtual environment: ${(error as Error).message.split('\n', 1)[0]}`;
  }
}

/** Python with OpenAI's package, in a virtual environment below .cache that is made once; or what is in the way. */
export function findPythonWithOpenAi(): PythonWithOpenAi {
  if (answerOf('python3', 'import sys; assert sys.version_info >= (3, 9)') === null)
    return { absent: 'there is no Python 3.9' };
  const python = join(FOLDER, 'bin/python');
  const versionOf = () => (existsSync(python) ? answerOf(python, 'import openai; print(openai.__version__, end="")') : null);
  const problem = versionOf() === null ? install(FOLDER) : null;
  const version = versionOf();
  return version === null ? { absent: problem ?? 'the installed package does not load' } : { python, version };
}

/** What the script prints, one JSON value. */
export async function runPython(python: string, script: string, env: Record<string, string>): Promise<unknown> {
  const { stdout } = await run(python, ['-c', script], { env, timeout: RUN_TIMEOUT_MS });
  return JSON.parse(stdout);
}
