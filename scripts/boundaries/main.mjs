/** Checks who imports whom. `node scripts/boundaries/main.mjs [folder]` */

import { ROOT } from '../bootstrap/paths.mjs';
import { readBoundaries } from './cruise.mjs';

/** Fewer means that the imports were not read at all (no compiler, wrong folder): raise it as the repository grows. */
const EDGES_MIN = 1500;

const [folder = ROOT, ...flags] = process.argv.slice(2);
const { edges, violations } = await readBoundaries(folder);
if (flags.includes('--json')) {
  console.log(JSON.stringify({ edges, violations }));
} else {
  for (const { rule, from, to } of violations) console.error(`${rule}: ${from} imports ${to}`);
  console.log(`${edges} imports read, ${violations.length} not allowed.`);
  if (edges < EDGES_MIN)
    console.error(`Only ${edges} imports were read, at least ${EDGES_MIN} were expected: the check itself is broken.`);
  process.exitCode = violations.length > 0 || edges < EDGES_MIN ? 1 : 0;
}
