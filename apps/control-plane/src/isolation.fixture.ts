import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import fc from 'fast-check';
import type { Answer, TestControlPlane } from './control-plane.fixture.js';
import type { Tenant } from './openapi/api-caller.fixture.js';
import { type Operation, operationsOf } from './openapi/api-fuzz.cases.fixture.js';
import { arbitraryOf, type Components, resolve, UUID7_PATTERN } from './openapi/schema-arbitrary.fixture.js';

type Schema = Record<string, unknown>;
export type Noun = keyof Tenant['ids'];

/** Of which kind the id in a path is. A route with an id in its path that is not here fails the suite. */
const PATH_NOUNS: Record<string, Noun> = {
  '/api/accounts/{id}/switch': 'account',
  '/api/activity/{requestId}': 'call',
  '/api/keys/{id}': 'key',
  '/api/projects/{id}': 'project',
  '/api/tokens/{id}': 'token',
  '/api/invites/{id}': 'invite',
  '/api/invites/{id}/resend': 'invite',
  '/api/members/{userId}': 'user',
  '/api/sessions/{id}': 'session',
};
const SEED = 1;
/** The last group of an id: random in every version of UUIDs that we use. */
const ID_TAIL = 12;
/** How long a stream is listened to: what it says of the past, it says at once. */
const STREAM_MS = 200;
const UNAVAILABLE = 503;
/** In a row, for one question. */
const UNAVAILABLE_TIMES_MAX = 10;
const INSTANT = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;

/** A place of a request where an id goes: the name of a path's or query's parameter, or the steps to a field of the body. */
export interface Slot {
  in: 'path' | 'query' | 'body';
  at: string[];
}

export interface WalkedOperation extends Operation {
  where: string;
  slots: Slot[];
  /** Whose id the path takes; null when it takes none. */
  pathNoun: Noun | null;
}

/** Every operation of the API with each place that takes an id, found in its schemas. */
export function walkOperations(document: OpenApiDocument): WalkedOperation[] {
  const components = document.components as Components;
  return operationsOf(document).map((operation) => {
    const fields = operation.parameters.filter(({ schema, in: place }) => place !== 'header' && isId(schema, components));
    const body = operation.requestBody?.content['application/json'].schema;
    const slots: Slot[] = [
      ...fields.map(({ name, in: place }) => ({ in: place as 'path' | 'query', at: [name] })),
      ...(body === undefined ? [] : idFields(body, components).map((at) => ({ in: 'body' as const, at }))),
    ];
    return {
      ...operation,
      where: `${operation.method} ${operation.path}`,
      slots,
      pathNoun: PATH_NOUNS[operation.path] ?? null,
    };
  });
}

function isId(schema: Schema, components: Components): boolean {
  if (typeof schema.$ref === 'string') return isId(resolve(schema.$ref, components), components);
  if (Array.isArray(schema.anyOf)) return schema.anyOf.some((inner) => isId(inner as Schema, components));
  return schema.format === 'uuid' || String(schema.pattern ?? '').includes(UUID7_PATTERN);
}

function idFields(schema: Schema, components: Components): string[][] {
  if (typeof schema.$ref === 'string') return idFields(resolve(schema.$ref, components), components);
  const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>);
  return properties.flatMap(([name, inner]) =>
    isId(inner, components) ? [[name]] : idFields(inner, components).map((rest) => [name, ...rest]),
  );
}

export interface Credentials {
  cookie?: string;
  token?: string;
}

export interface WalkedRequest {
  operation: WalkedOperation;
  /** Ids by slot; slots that are left out are filled with the caller's own, or not at all where they are optional. */
  filled: ReadonlyMap<Slot, string>;
  own: Tenant['ids'];
  as: Credentials;
}

/** Sends the least that the operation's schemas allow, with the given ids in it. */
export async function sendWalked(
  plane: TestControlPlane,
  document: OpenApiDocument,
  request: WalkedRequest,
): Promise<Answer<Schema>> {
  const { operation, filled, own, as } = request;
  const { slots, pathNoun } = operation;
  const components = document.components as Components;
  const valueAt = (place: Slot['in']) =>
    slots.filter((slot) => slot.in === place && filled.has(slot)).map((slot) => [slot, filled.get(slot) as string] as const);
  let path = operation.path;
  for (const { name, schema } of operation.parameters.filter((parameter) => parameter.in === 'path')) {
    const given = valueAt('path').find(([slot]) => slot.at[0] === name)?.[1];
    path = path.replace(`{${name}}`, given ?? (pathNoun === null ? sample(schema, components) : own[pathNoun]));
  }
  const query = new URLSearchParams(valueAt('query').map(([slot, id]): [string, string] => [slot.at[0] as string, id]));
  for (const { name, schema } of operation.parameters.filter(({ in: place, required }) => place === 'query' && required)) {
    if (!query.has(name)) query.set(name, sample(schema, components));
  }
  const schema = operation.requestBody?.content['application/json'].schema;
  const body = schema === undefined ? undefined : (least(schema, components) as Schema);
  for (const [slot, id] of valueAt('body')) place(body as Schema, slot.at, id);
  return sendUntilAnswered(plane, { method: operation.method, path: query.size === 0 ? path : `${path}?${query}`, body, as });
}

interface SentRequest {
  method: string;
  path: string;
  body: unknown;
  as: Credentials;
}

/** What could not be answered in time says nothing of what was asked; thousands are asked here. */
async function sendUntilAnswered(plane: TestControlPlane, request: SentRequest): Promise<Answer<Schema>> {
  let answer = await send(plane, request);
  for (let again = 0; answer.status === UNAVAILABLE && again < UNAVAILABLE_TIMES_MAX; again++)
    answer = await send(plane, request);
  return answer;
}

export async function send(plane: TestControlPlane, { method, path, body, as }: SentRequest): Promise<Answer<Schema>> {
  const response = await fetch(plane.url + path, {
    method,
    redirect: 'manual',
    headers: {
      'x-forwarded-for': `10.2.${randomInt(256)}.${randomInt(256)}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(as.cookie === undefined ? {} : { cookie: as.cookie }),
      ...(as.token === undefined ? {} : { authorization: `Bearer ${as.token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const type = response.headers.get('content-type') ?? '';
  const text = type.startsWith('text/event-stream') ? await beginningOf(response) : await response.text();
  const isJson = /[/+]json\b/.test(type);
  return { status: response.status, headers: response.headers, text, body: (isJson ? JSON.parse(text) : undefined) as Schema };
}

/** Of a stream that never ends: what comes at once. */
async function beginningOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const first = await Promise.race([reader?.read(), setTimeout(STREAM_MS)]);
  await reader?.cancel();
  return first?.value === undefined ? '' : Buffer.from(first.value).toString('utf8');
}

/** The required fields alone. */
function least(schema: Schema, components: Components): unknown {
  if (typeof schema.$ref === 'string') return least(resolve(schema.$ref, components), components);
  if (schema.type !== 'object') return sampled(schema, components);
  const required = new Set((schema.required ?? []) as string[]);
  const fields = Object.entries((schema.properties ?? {}) as Record<string, Schema>).filter(([name]) => required.has(name));
  return Object.fromEntries(fields.map(([name, inner]) => [name, least(inner, components)]));
}

function place(body: Schema, [name = '', ...rest]: string[], id: string): void {
  if (rest.length === 0) {
    body[name] = id;
    return;
  }
  body[name] ??= {};
  place(body[name] as Schema, rest, id);
}

function sampled(schema: Schema, components: Components): unknown {
  return fc.sample(arbitraryOf(schema, components), { numRuns: 1, seed: SEED })[0];
}

function sample(schema: Schema, components: Components): string {
  return String(sampled(schema, components));
}

/** An id of the same form and, where ids are in order, at the same place as this one, that is nobody's. */
export function neverExisting(like: string = uuid7()): string {
  return like.slice(0, -ID_TAIL) + randomBytes(ID_TAIL / 2).toString('hex');
}

/** What two answers must have in common to be the same to whoever gets them: all but the request, the moment and the id asked for. */
export function comparable({ status, text }: Answer<Schema>, id: string): string {
  const requestId = /"requestId":"[^"]*"/g;
  return `${status} ${text.replaceAll(requestId, '').replaceAll(id, '<id>').replaceAll(INSTANT, '<instant>')}`;
}

/** A fingerprint of every row of schema control that belongs to the tenant. */
export async function fingerprint(plane: TestControlPlane, { ids }: Tenant): Promise<string> {
  const tables = await tablesOf(plane, ['account_id', 'user_id']);
  const parts = await Promise.all(
    tables.map(async ({ name, column }) => {
      const id = column === 'account_id' ? ids.account : ids.user;
      const [row] = await plane.database.query<{ rows: number; hash: string }>(
        `SELECT count(*)::int AS rows, md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) AS hash FROM control.${name} t WHERE ${column} = $1`,
        [id],
      );
      return `${name}.${column} ${row?.rows} ${row?.hash}`;
    }),
  );
  const [self] = await plane.database.query<{ hash: string }>(
    'SELECT md5(a::text || u::text) AS hash FROM control.accounts a, control.users u WHERE a.id = $1 AND u.id = $2',
    [ids.account, ids.user],
  );
  return [...parts, self?.hash].join('\n');
}

/** Tables of schema control with one of these columns, out of the database itself: a new one is covered as soon as it exists. */
export function tablesOf(plane: TestControlPlane, columns: string[]): Promise<{ name: string; column: string }[]> {
  return plane.database.query(
    `SELECT c.table_name AS name, c.column_name AS column FROM information_schema.columns c
     JOIN information_schema.tables t USING (table_schema, table_name)
     WHERE c.table_schema = 'control' AND t.table_type = 'BASE TABLE' AND c.column_name = ANY($1) ORDER BY 1, 2`,
    [columns],
  );
}
