import { runLogged, step } from './step.mjs';

/** Generates the database client and builds every package and app; what did not change comes from turbo's cache. */
export async function build() {
  await step('build', () =>
    runLogged(
      'build',
      ['turbo', 'run', 'generate', 'build', '--output-logs=errors-only'],
      'The first error above says which file to repair.',
    ),
  );
}
