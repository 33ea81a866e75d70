import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NODE, ROOT } from './paths.mjs';
import { runLogged, step } from './step.mjs';

const PNPM = 'pnpm@10.34.8';
const STAMP = join(ROOT, 'node_modules/.installed-lockfile');

/** Installs the locked dependencies unless exactly these are installed already. */
export async function install() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(ROOT, 'pnpm-lock.yaml')))
    .digest('hex');
  if (existsSync(STAMP) && existsSync(NODE) && readFileSync(STAMP, 'utf8') === wanted) return;
  await step('install dependencies', () =>
    runLogged(
      'install',
      ['npx', '-y', PNPM, 'install', '--frozen-lockfile'],
      'Check that the npm registry can be reached, and that pnpm-lock.yaml fits the package.json files.',
    ),
  );
  writeFileSync(STAMP, wanted);
}
