/**
 * Who may import whom. Each rule is an error, each is violated on purpose in scripts/boundaries/boundaries.spec.ts.
 * Names: `FEATURE` is a folder below an app's src; tests and fixtures of a feature may reach further than its code.
 */
const TESTS = String.raw`\.(spec|fixture)\.ts$`;
const FEATURE = '^apps/([^/]+)/src/([^/]+)/';
const DATABASE = ['^packages/db/', '^@tensorloop/db', '(^|/)node_modules/(pg|@prisma)/', '^(pg|@prisma/[^/]+)$'];
const HTTP = '(^|/)(node_modules/)?(express|fastify|@nestjs/platform-[a-z]+)($|/)';
const EFFECTS = [
  ...DATABASE,
  HTTP,
  '(^|/)(node_modules/)?(@nestjs|@nats-io|ioredis|bullmq|undici|pino)($|/)',
  '^packages/(admission|messaging|nest-kit|observability|servers|testing)/',
];

/** @param {string} layer */
const files = (layer) => String.raw`\.(${layer})\.ts$`;

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: '1-apps-never-import-apps',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    { name: '1-packages-never-import-apps', severity: 'error', from: { path: '^packages/' }, to: { path: '^apps/' } },
    {
      name: '1-no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: '1-nothing-unresolved',
      severity: 'error',
      from: {},
      // Of express only the types are installed by name; the code is Nest's own copy.
      to: { couldNotResolve: true, pathNot: '^express$' },
    },
    {
      name: '2-dashboard-imports-contracts-and-kernel-only',
      severity: 'error',
      from: { path: '^apps/dashboard/' },
      to: { path: '^packages/', pathNot: '^packages/(contracts|kernel)/' },
    },
    {
      name: '2-contracts-run-in-a-browser',
      severity: 'error',
      from: { path: '^packages/contracts/src/', pathNot: TESTS },
      to: { pathNot: ['^packages/(contracts|kernel)/', '(^|/)node_modules/zod/', '^zod$'] },
    },
    {
      name: '2-kernel-stands-alone',
      severity: 'error',
      from: { path: '^packages/kernel/src/', pathNot: TESTS },
      to: { pathNot: '^packages/kernel/' },
    },
    {
      name: '3-gateway-never-opens-a-database',
      severity: 'error',
      from: { path: '^apps/gateway/', pathNot: TESTS },
      to: { path: DATABASE },
    },
    {
      name: '4-control-tables-have-one-writer',
      severity: 'error',
      from: { path: '^apps/', pathNot: ['^apps/control-plane/', TESTS] },
      to: { path: '^packages/db/src/control-client' },
    },
    {
      name: '4-metering-tables-have-one-writer',
      severity: 'error',
      from: { path: '^apps/', pathNot: ['^apps/metering/', TESTS] },
      to: { path: '^packages/db/src/metering-' },
    },
    {
      name: '4-generated-client-stays-in-db',
      severity: 'error',
      from: { pathNot: '^packages/db/' },
      to: { path: '^packages/db/src/generated/' },
    },
    {
      name: '5-a-feature-has-three-doors',
      severity: 'error',
      // The simulator is one small program without modules and services.
      from: { path: FEATURE, pathNot: [TESTS, '^apps/upstream-sim/'] },
      to: { path: '^apps/$1/src/[^/]+/', pathNot: ['^apps/$1/src/$2/', files('module|service|types|trail')] },
    },
    {
      name: '6-edges-do-not-query',
      severity: 'error',
      from: { path: files('controller|consumer') },
      to: { path: [...DATABASE, files('repository')] },
    },
    {
      name: '6-services-know-no-edge',
      severity: 'error',
      from: { path: `^apps/.*${files('service')}` },
      to: { path: [HTTP, files('controller|consumer')] },
    },
    {
      name: '6-only-repositories-see-the-database',
      severity: 'error',
      from: { path: '^apps/', pathNot: [files('repository|module|trail'), '^apps/[^/]+/src/database/', TESTS] },
      to: { path: DATABASE },
    },
    {
      name: '6-repositories-decide-nothing',
      severity: 'error',
      from: { path: files('repository') },
      to: { path: [HTTP, files('service|controller|consumer')] },
    },
    {
      name: '6-rules-are-pure',
      severity: 'error',
      from: { path: files('rules') },
      to: { path: [...EFFECTS, files('service|repository|controller|consumer|module')] },
    },
    {
      name: '6-rules-do-no-io',
      severity: 'error',
      from: { path: files('rules') },
      // Hashing is arithmetic.
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
    },
    {
      name: '7-ports-know-no-vendor',
      severity: 'error',
      from: { path: '^apps/gateway/src/upstreams/[^/]+\\.ts$', pathNot: [files('module'), TESTS] },
      to: { path: '^apps/gateway/src/upstreams/[^/]+/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['tensorloop:source', 'import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};
