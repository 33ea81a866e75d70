/**
 * Three kinds of test, told apart by name so that each can run alone (`jest --selectProjects unit`):
 *   unit          *.spec.ts beside the code; no server, no network
 *   integration   *.integration.spec.ts beside the code; real PostgreSQL, NATS and Redis (packages/testing)
 *   e2e           e2e/**; whole services as processes
 * `*.long.spec.ts` below e2e is for `npm run test:long` only.
 */
const transform = {
  '^.+\\.ts$': [
    '@swc/jest',
    {
      jsc: {
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        target: 'es2023',
      },
      module: { type: 'es6' },
      sourceMaps: 'inline',
    },
  ],
};

const shared = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  // Packages are tested from their sources: no build comes before a test.
  testEnvironmentOptions: { customExportConditions: ['tensorloop:source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['js', 'mjs', 'cjs', 'ts', 'json', 'node'],
  // Sources name the file that will exist after the build (`./money.js`); here the `.ts` beside it is meant.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/', '<rootDir>/.data/'],
  transform,
};

/** One PostgreSQL per run; each spec file has a database of its own on it, and its own NATS and Redis (packages/testing). */
const withServers = {
  globalSetup: '<rootDir>/packages/testing/global-setup.mjs',
  globalTeardown: '<rootDir>/packages/testing/global-teardown.mjs',
};

const ignored = ['/node_modules/', '/dist/'];

export default {
  // Of a test and of a hook that name no bound of their own: real servers start and stop in them, beside other files' on
  // the same cores. Many times what the slowest takes: it ends what hangs, and says nothing of speed. Waits inside have a
  // shorter one (wait-until.ts).
  // Jest takes it here only; inside a project it does nothing.
  testTimeout: 300_000,
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['<rootDir>/{apps,packages}/*/src/**/*.spec.ts', '<rootDir>/{bench,chaos,infra,prisma,scripts}/**/*.spec.ts'],
      testPathIgnorePatterns: [...ignored, '\\.integration\\.spec\\.ts$'],
    },
    {
      ...shared,
      ...withServers,
      displayName: 'integration',
      testMatch: [
        '<rootDir>/{apps,packages}/*/src/**/*.integration.spec.ts',
        '<rootDir>/{bench,chaos,prisma}/**/*.integration.spec.ts',
      ],
      testPathIgnorePatterns: ignored,
    },
    {
      ...shared,
      ...withServers,
      displayName: 'e2e',
      testMatch: ['<rootDir>/e2e/**/*.spec.ts'],
      testPathIgnorePatterns: [...ignored, '\\.long\\.spec\\.ts$'],
    },
    {
      ...shared,
      ...withServers,
      displayName: 'long',
      testMatch: ['<rootDir>/e2e/**/*.long.spec.ts'],
      testPathIgnorePatterns: ignored,
    },
  ],
};
