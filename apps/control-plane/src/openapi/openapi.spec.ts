import { readdir, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { CHANGE_KINDS } from '@tensorloop/contracts/account-changed';
import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import type { DeclaredRoute } from '@tensorloop/nest-kit/routes';
import { describeApi } from './openapi.document.js';
import { CONTRACTS } from './openapi.names.js';
import { OPERATION_IDS } from './operation-ids.js';
import { previewRoutes } from './preview.js';
import { ambiguousCodes, problemPages } from './problem-pages.js';

const ROOT = new URL('../../../../', import.meta.url);
/** What the product has; a document of fewer is blind. */
const OPERATIONS_MIN = 60;
const PERMITTED_MIN = 30;
const WAYS_IN_MIN = 12;
const VERB_NOUN =
  /^(get|list|create|update|delete|set|mint|revoke|remove|archive|restore|rename|switch|change|preview|export|verify|stream|request|confirm|resend|accept|lookUp|link|unlink|start|finish|disable|enable|reproject)[A-Z][A-Za-z]+$|^sign(In|Out|Up)$/;
const REWRITE = 'the committed file is not what the routes declare: npm run openapi';

interface Operation {
  operationId: string;
  summary: string;
  description?: string;
  'x-permission'?: string;
  'x-roles'?: string[];
  tags: string[];
  parameters: { name: string; schema: { minimum?: number; maximum?: number; default?: number } }[];
  responses: Record<string, { content?: Record<string, unknown>; headers?: Record<string, unknown> }>;
}

let routes: DeclaredRoute[];
let document: OpenApiDocument;
let operations: [where: string, operation: Operation][];

beforeAll(async () => {
  const preview = await previewRoutes();
  routes = preview.routes.filter(({ path }) => path.startsWith('/api/'));
  document = describeApi(preview.routes, preview.baseUrl);
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(
      ([method, operation]) => [`${method} ${path}`, operation as unknown as Operation] as [string, Operation],
    ),
  );
});

function operationOf(where: string): Operation {
  const [, operation] = operations.find(([name]) => name === where) ?? [];
  if (operation === undefined) throw new Error(`there is no ${where}`);
  return operation;
}
const codesOf = ({ responses }: Operation, status: number): string[] =>
  JSON.stringify(responses[status] ?? null).match(/[a-z]+(_[a-z]+)+/g) ?? [];
const read = (path: string) => readFile(new URL(path, ROOT), 'utf8');

describe('docs/openapi.json', () => {
  it('is what the routes declare', async () => {
    const committed = (await read('docs/openapi.json').catch(() => '')) === `${JSON.stringify(document, null, 2)}\n`;
    expect(committed ? '' : REWRITE).toBe('');
  });

  it('is valid OpenAPI 3.1 to a validator that is not ours', async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(JSON.parse(JSON.stringify(document)));
    expect(errors ?? []).toEqual([]);
    expect([valid, validator.version]).toEqual([true, '3.1']);
    const broken = await new Validator().validate({ openapi: '3.1.1', info: {}, paths: {} });
    expect(broken.valid).toBe(false);
  });

  it('has every route under /api', () => {
    expect(operations.length).toBeGreaterThanOrEqual(OPERATIONS_MIN);
    expect(operations).toHaveLength(routes.length);
  });

  it('says of each what it does, by a name of its own', () => {
    expect(operations.filter(([, { summary }]) => summary === '').map(([where]) => `${where} has no @Summary`)).toEqual([]);
    expect(
      operations.filter(([, { summary }]) => summary.length > 100 || summary.endsWith('.')).map(([where]) => where),
    ).toEqual([]);
    const ids = operations.map(([, { operationId }]) => operationId);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  it('calls each by a verb and a noun, no two alike, and names none that is not there', () => {
    const names = routes.map(({ method, path }) => `${method} ${path}`);
    expect(names.filter((name) => OPERATION_IDS[name] === undefined)).toEqual([]);
    expect(Object.keys(OPERATION_IDS).filter((name) => !names.includes(name))).toEqual([]);
    const ids = Object.values(OPERATION_IDS);
    expect(new Set(ids).size).toBe(ids.length);
    expect(operations.map(([, { operationId }]) => operationId).sort()).toEqual([...ids].sort());
    expect(ids.filter((id) => !VERB_NOUN.test(id))).toEqual([]);
    expect([operationOf('get /api/keys').operationId, operationOf('post /api/keys').operationId]).toEqual([
      'listKeys',
      'mintKey',
    ]);
  });

  it('says of what type each answer is that has a body', () => {
    const untyped = operations.filter(([, { responses }]) =>
      Object.entries(responses).some(([status, { content }]) => content === undefined && Number(status) === 200),
    );
    expect(untyped.map(([where]) => `${where}: @RawResponse(reason, mediaType)`)).toEqual([]);
  });

  it('says of each what a role must be permitted, and which roles are', () => {
    const permitted = operations.filter(([, operation]) => operation['x-permission'] !== undefined);
    const refusing = operations.filter(([, operation]) => codesOf(operation, 403).includes('role_insufficient'));
    expect(permitted.length).toBeGreaterThanOrEqual(PERMITTED_MIN);
    expect(permitted.map(([where]) => where)).toEqual(refusing.map(([where]) => where));
    expect(operationOf('post /api/keys')).toMatchObject({
      'x-permission': 'keys:write',
      'x-roles': ['owner', 'admin', 'developer'],
    });
  });

  it('says of every way in that it can be asked too often, guessed at too often, and send too many mails', () => {
    const refusals = (where: string) => codesOf(operationOf(where), 429).filter((code) => code.endsWith('_throttled'));
    const ways = operations.filter(
      ([where]) => / \/api\/(auth\/|invites\/(look-up|accept)$)/.test(where) && !where.endsWith('/methods'),
    );
    expect(ways.length).toBeGreaterThanOrEqual(WAYS_IN_MIN);
    expect(ways.filter(([where]) => !refusals(where).includes('network_throttled')).map(([where]) => where)).toEqual([]);
    expect(refusals('post /api/auth/sign-in')).toContain('sign_in_throttled');
    expect(refusals('post /api/auth/password-reset')).toContain('mail_throttled');
  });

  it('says of a download that the audit log tells of what keeps it from being told', () => {
    const operation = operationOf('get /api/account/export');
    expect(codesOf(operation, 401)).toContain('credential_over');
    expect(codesOf(operation, 429)).toContain('changes_throttled');
    expect(codesOf(operationOf('get /api/account'), 429)).toEqual([]);
  });

  it('says of every 429 which limit it is of, how it stands, and when to come again', () => {
    const refusing = operations.filter(([, { responses }]) => responses[429] !== undefined);
    expect(refusing.length).toBeGreaterThanOrEqual(WAYS_IN_MIN);
    for (const [where, { responses }] of refusing)
      expect([where, Object.keys(responses[429]?.headers ?? {})]).toEqual([
        where,
        expect.arrayContaining(['RateLimit', 'RateLimit-Policy', 'Retry-After']),
      ]);
    expect(Object.keys(operationOf('post /api/auth/sign-in').responses[200]?.headers ?? {})).toContain('RateLimit');
  });

  it('names the routes that take an Idempotency-Key, all of them and no other', () => {
    const taking = operations
      .filter(([, { parameters }]) => parameters.some(({ name }) => name === 'Idempotency-Key'))
      .map(([where]) => where.replace(/^\w+/, (method) => method.toUpperCase()));
    expect(taking.sort()).toEqual([
      'POST /api/accounts',
      'POST /api/invites',
      'POST /api/invites/{id}/resend',
      'POST /api/keys',
      'POST /api/projects',
      'POST /api/tokens',
    ]);
    const sentence = /take `Idempotency-Key`, and no others: (.*)\. Elsewhere/.exec(document.info.description)?.[1];
    expect(sentence).toBe(taking.map((where) => `\`${where}\``).join(', '));
  });

  it('has both answers of a sign-up: with a mail, and without', () => {
    expect(operationOf('post /api/auth/sign-up').responses).toMatchObject({
      201: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Me' } } } },
      202: { content: { 'application/json': { schema: { $ref: '#/components/schemas/MailSent' } } } },
    });
  });

  it('says what the stream of events tells, and how to come back to it', () => {
    const { description = '', parameters } = operationOf('get /api/events');
    for (const word of ['ready', 'changed', 'reset', ...CHANGE_KINDS]) expect(description).toContain(`\`${word}\``);
    expect(parameters.map(({ name }) => name)).toContain('Last-Event-ID');
    expect(operationOf('get /api/account/export').description).toContain('`members`');
  });

  it('refers to nothing that it does not have', () => {
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g)];
    expect(refs.length).toBeGreaterThan(OPERATIONS_MIN);
    expect(refs.filter(([, kind, name]) => document.components[kind as string]?.[name as string] === undefined)).toEqual([]);
  });

  it('names its schemas as contracts do, all of them', async () => {
    const files = (await readdir(new URL('packages/contracts/src/api/', ROOT))).filter((file) => !file.endsWith('.spec.ts'));
    expect(files.map((file) => `api/${file.replace(/\.ts$/, '')}`).filter((name) => CONTRACTS[name] === undefined)).toEqual([]);
    expect(Object.keys(document.components.schemas ?? {})).toEqual(expect.arrayContaining(['Problem', 'Me', 'Account']));
  });
});

describe('the code of a problem', () => {
  it('means one thing', () => {
    expect(ambiguousCodes()).toEqual([]);
  });

  it('has a page that says what it means and what to do, and every page has a code', async () => {
    const pages = problemPages();
    const files = await readdir(new URL('docs/errors/', ROOT));
    expect(files.sort()).toEqual(pages.map(({ code }) => `${code}.md`).sort());
    const faults = await Promise.all(pages.map(async (page) => page.findFaults(await read(`docs/errors/${page.code}.md`))));
    expect(faults.flat()).toEqual([]);
  });

  it('keeps what was written by hand when its page is written again, and a page of headings is no page', () => {
    const [page] = problemPages();
    const fresh = page?.update(null) as string;
    expect(page?.findFaults(fresh)).toHaveLength(2);
    const written = `${fresh.replace('## What to do', 'A sentence about its meaning that is long enough.\n\n## What to do')}\nA sentence about a remedy that is long enough.\n`;
    expect(page?.findFaults(written)).toEqual([]);
    expect(page?.update(written)).toBe(written);
    expect(page?.findFaults(written.replace(/\*\*\d+/, '**418'))).toHaveLength(1);
  });
});
