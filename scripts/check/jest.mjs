/** Jest, called as itself, but as a process that ends: with what a test left open, and whatever Node does at its exit. */
import { run } from 'jest';

/** From Jest's results to the end of what its tests opened. */
const LEFT_OPEN_MS_MAX = 30_000;

// As Jest's own command does; services that a test starts inherit it.
process.env.NODE_ENV ??= 'test';
await run(process.argv.slice(2));

setTimeout(() => {
  console.error(`Something that a test opened is still open ${LEFT_OPEN_MS_MAX / 1000} s after the last one.`);
  process.exit(1);
}, LEFT_OPEN_MS_MAX).unref();

// Nothing is open any more. What Node does from here on was once seen to spin for ever (Environment::CleanupHandles, v24.21.0).
// Listeners are called in order: Jest's own, which sets the exit code, came before.
process.once('exit', () => process.exit());
