/**
 * Entry of every `npm run` verb. Works on a bare checkout with nothing but some Node ≥ 20: it uses Node's own modules
 * only, installs what is missing, and hands over to the repository's own Node 24 and tools.
 */
import { build } from './bootstrap/build.mjs';
import { runChild } from './bootstrap/child.mjs';
import { startDetached } from './bootstrap/detach.mjs';
import { install } from './bootstrap/install.mjs';
import { StepFailed } from './bootstrap/step.mjs';
import { stop } from './bootstrap/stop.mjs';

const NODE_MAJOR_MIN = 20;

/** What each verb does after install and build. */
const VERBS = {
  start: (args) => (args.includes('--detach') ? startDetached(args) : runChild('scripts/start/main.ts', args)),
  test: (args) => runChild('scripts/check/main.ts', args),
  'test:long': (args) => runChild('scripts/check/main.ts', ['--long', ...args]),
  replay: (args) => runChild('bench/dist/replay/main.js', args),
  audit: (args) => runChild('bench/dist/audit/main.js', args),
  admin: (args) => runChild('apps/control-plane/dist/commands/admin.js', args),
  bench: (args) => runChild('bench/dist/bench/main.js', args),
  'bench:api': (args) => runChild('bench/dist/api/main.js', args),
  chaos: (args) => runChild('chaos/dist/main.js', args),
  openapi: (args) => runChild('apps/control-plane/dist/describe.js', args),
};

async function main([verb, ...args]) {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < NODE_MAJOR_MIN) {
    console.error(
      `This is Node ${process.versions.node}; TensorLoop needs Node ${NODE_MAJOR_MIN} or newer to start. Install one and try again.`,
    );
    return 1;
  }
  if (verb === 'stop') return stop();
  const handOver = VERBS[verb];
  if (!handOver) {
    console.error(`Unknown verb ${JSON.stringify(verb ?? '')}; there are: ${[...Object.keys(VERBS), 'stop'].join(', ')}.`);
    return 2;
  }
  await install();
  await build();
  return handOver(args);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof StepFailed)) throw error;
  console.error(`\n${error.message}`);
  process.exitCode = 1;
}
