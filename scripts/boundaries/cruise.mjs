import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import configuration from '../../.dependency-cruiser.mjs';

/**
 * Reads the imports of every source below `folder`.
 * @param {string} folder
 * @returns {Promise<{ edges: number, violations: { rule: string, from: string, to: string }[] }>}
 */
export async function readBoundaries(folder) {
  const { forbidden, options } = configuration;
  const roots = ['apps', 'packages'].filter((root) => existsSync(join(folder, root)));
  const tsConfig = extractTSConfig(join(folder, 'tsconfig.json'));
  const { output } = await cruise(
    roots,
    { ...options, ruleSet: { forbidden }, validate: true, baseDir: folder },
    options.enhancedResolveOptions,
    { tsConfig },
  );
  return {
    edges: output.summary.totalDependenciesCruised ?? 0,
    violations: output.summary.violations.map(({ rule, from, to }) => ({ rule: rule.name, from, to })),
  };
}
