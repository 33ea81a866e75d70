import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const CRUISE_TIMEOUT_MS = 60_000;
const ROOT = join(import.meta.dirname, '../..');

/** rule → the importing file, what it imports. Every import exists, so that only the named rule can object. */
const PLANTED: [rule: string, from: string, imports: string][] = [
  ['1-apps-never-import-apps', 'apps/metering/src/usage/usage.service.ts', '../../../gateway/src/proxy/proxy.service.js'],
  ['1-packages-never-import-apps', 'packages/pricing/src/charge.ts', '../../../apps/gateway/src/proxy/proxy.service.js'],
  ['1-no-cycles', 'packages/pricing/src/ceiling.ts', './hold.js'],
  ['1-nothing-unresolved', 'packages/pricing/src/dimension.ts', './nowhere.js'],
  ['2-dashboard-imports-contracts-and-kernel-only', 'apps/dashboard/src/app.ts', '@tensorloop/messaging/connection'],
  ['2-contracts-run-in-a-browser', 'packages/contracts/src/usage.ts', 'node:fs'],
  ['2-kernel-stands-alone', 'packages/kernel/src/money.ts', '@tensorloop/contracts/usage'],
  ['3-gateway-never-opens-a-database', 'apps/gateway/src/proxy/proxy.repository.ts', '@tensorloop/db/migrate'],
  ['4-control-tables-have-one-writer', 'apps/metering/src/usage/usage.repository.ts', '@tensorloop/db/control-client'],
  ['4-metering-tables-have-one-writer', 'apps/control-plane/src/keys/keys.repository.ts', '@tensorloop/db/metering-pool'],
  ['4-generated-client-stays-in-db', 'packages/admission/src/keys.ts', '../../db/src/generated/client.js'],
  ['5-a-feature-has-three-doors', 'apps/control-plane/src/accounts/accounts.service.ts', '../keys/keys.rules.js'],
  ['5-a-feature-has-three-doors', 'apps/control-plane/src/members/members.service.ts', '../keys/keys.repository.js'],
  ['6-edges-do-not-query', 'apps/control-plane/src/keys/keys.controller.ts', './keys.repository.js'],
  ['6-services-know-no-edge', 'apps/control-plane/src/keys/keys.service.ts', './keys.controller.js'],
  ['6-only-repositories-see-the-database', 'apps/control-plane/src/plans/plans.service.ts', '@tensorloop/db/control-client'],
  ['6-repositories-decide-nothing', 'apps/control-plane/src/plans/plans.repository.ts', './plans.service.js'],
  ['6-rules-are-pure', 'apps/control-plane/src/plans/plans.rules.ts', '@tensorloop/messaging/connection'],
  ['6-rules-do-no-io', 'apps/control-plane/src/audit/audit.rules.ts', 'node:fs'],
  ['7-ports-know-no-vendor', 'apps/gateway/src/upstreams/upstream.types.ts', './openai/openai.types.js'],
];

/** What the plants import, and imports that no rule may object to. */
const SOUND: [from: string, imports: string | null][] = [
  ['apps/gateway/src/proxy/proxy.service.ts', '@tensorloop/contracts/usage'],
  ['apps/gateway/src/upstreams/openai/openai.types.ts', null],
  ['apps/gateway/src/upstreams/openai/openai.service.ts', '../other.types.js'],
  ['apps/gateway/src/upstreams/other.types.ts', null],
  ['apps/control-plane/src/keys/keys.rules.ts', 'node:crypto'],
  ['apps/control-plane/src/audit/audit.service.ts', '../plans/plans.types.js'],
  ['apps/control-plane/src/audit/audit.spec.ts', '../keys/keys.repository.js'],
  ['apps/control-plane/src/audit/audit.repository.ts', '@tensorloop/db/control-client'],
  ['apps/control-plane/src/plans/plans.types.ts', '@tensorloop/kernel/uuid7'],
  ['apps/dashboard/src/main.ts', '@tensorloop/contracts/usage'],
  ['packages/pricing/src/hold.ts', './ceiling.js'],
  ['packages/kernel/src/uuid7.ts', null],
  ['packages/messaging/src/connection.ts', null],
  ['packages/db/src/migrate.ts', null],
  ['packages/db/src/control-client.ts', './generated/client.js'],
  ['packages/db/src/metering-pool.ts', null],
  ['packages/db/src/generated/client.ts', null],
];

interface Found {
  edges: number;
  violations: { rule: string; from: string; to: string }[];
}

describe('the import boundaries', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tensorloop-boundaries-'));
  let found: Found;

  beforeAll(() => {
    for (const [from, imports] of [...SOUND, ...PLANTED.map(([, from, imports]) => [from, imports] as const)])
      write(from, imports);
    linkPackages();
    writeFileSync(join(folder, 'tsconfig.json'), '{ "compilerOptions": { "module": "nodenext" } }');
    const script = join(ROOT, 'scripts/boundaries/main.mjs');
    found = JSON.parse(execFileSync('node', [script, folder, '--json'], { encoding: 'utf8' })) as Found;
  }, CRUISE_TIMEOUT_MS);

  afterAll(() => rmSync(folder, { recursive: true }));

  function write(file: string, imports: string | null): void {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    const statement =
      imports === null ? '' : `import { value as imported } from '${imports}';\nexport const used = imported;\n`;
    writeFileSync(join(folder, file), `${statement}export const value = 1;\n`);
  }

  function linkPackages(): void {
    mkdirSync(join(folder, 'node_modules/@tensorloop'), { recursive: true });
    for (const name of readdirSync(join(folder, 'packages'))) {
      const manifest = {
        name: `@tensorloop/${name}`,
        type: 'module',
        exports: { './*': { 'tensorloop:source': './src/*.ts' } },
      };
      writeFileSync(join(folder, 'packages', name, 'package.json'), JSON.stringify(manifest));
      symlinkSync(join(folder, 'packages', name), join(folder, 'node_modules/@tensorloop', name));
    }
  }

  it.each(PLANTED)('%s objects to %s', (rule, from) => {
    expect(found.violations.map((violation) => `${violation.rule} ${violation.from}`)).toContain(`${rule} ${from}`);
  });

  it('object to nothing that is sound', () => {
    const planted = new Set(PLANTED.map(([, from]) => from));
    // A cycle is reported at either of its ends.
    planted.add('packages/pricing/src/hold.ts');
    expect(found.violations.filter(({ from }) => !planted.has(from))).toEqual([]);
  });

  it('plant a violation of every rule', async () => {
    const { default: configuration } = (await import('../../.dependency-cruiser.mjs')) as {
      default: { forbidden: { name: string }[] };
    };
    expect([...new Set(PLANTED.map(([rule]) => rule))].sort()).toEqual(configuration.forbidden.map(({ name }) => name).sort());
  });

  it('read every import', () => {
    const imports = [...SOUND.map(([, imports]) => imports), ...PLANTED.map(([, , imports]) => imports)];
    expect(found.edges).toBe(imports.filter((imported) => imported !== null).length);
  });
});
