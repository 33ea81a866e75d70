import { randomInt, randomUUID } from 'node:crypto';
import type { Problem } from '@tensorloop/contracts/dashboard-api';
import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import type { TestBrowser, TestControlPlane } from '../control-plane.fixture.js';
import { makeTenant, type Tenant } from './api-caller.fixture.js';
import { type FuzzCase, fuzzCases, type Operation, OWN_ID, operationsOf } from './api-fuzz.cases.fixture.js';

/** Fixed, so that a failure is seen again; another one finds other things. */
export const FUZZ_SEED = 20_261_121;
/** Callers, each with an account of its own and one request at a time. */
const CALLERS = 6;
const ERROR_MIN = 500;
const OCTET_VALUES = 256;
const PROBLEM_TYPE = 'application/problem+json';
const THROTTLED = 429;
const LIMIT_HEADERS = ['retry-after', 'ratelimit', 'ratelimit-policy'];
/** Stands for a connection that was closed without an answer. */
const NO_ANSWER = 599;

export interface FuzzOptions {
  /** Operations that are asked; all of them unless told. */
  only?: (operation: Operation) => boolean;
  /** Where all requests come from; each from a network of its own unless told. */
  address?: string;
}

export interface FuzzReport {
  operations: number;
  requests: number;
  statuses: Record<string, number>;
  /** What refusals said. */
  codes: Set<string>;
  /** Operations of which at least one request succeeded. */
  succeeded: Set<string>;
  /** What should never be: an error of ours, a status or a code that the document does not have, a body that does not fit. */
  failures: string[];
}

interface Sent {
  status: number;
  type: string;
  text: string;
  /** Names. */
  headers: string[];
}

/** Sends `runs` requests that are made from the description that the API serves, and holds every answer against it. */
export async function runApiFuzz(
  plane: TestControlPlane,
  runs: number,
  { only = () => true, address }: FuzzOptions = {},
): Promise<FuzzReport> {
  const { body: document } = await plane.browser().send<OpenApiDocument>('GET', '/api/openapi.json');
  const operations = operationsOf(document).filter(only);
  const report: FuzzReport = {
    operations: operations.length,
    requests: 0,
    statuses: {},
    codes: new Set(),
    succeeded: new Set(),
    failures: [],
  };
  const judge = judgeOf(document);
  const cases = fc.sample(fuzzCases(document, operations), { numRuns: runs, seed: FUZZ_SEED });
  const operator = await makeOperator(plane);
  const work = async () => {
    const caller = new Caller(plane, operator, address);
    for (let next = cases.pop(); next !== undefined; next = cases.pop()) {
      const sent = await caller.send(next);
      const where = `${next.operation.method} ${next.operation.path}`;
      report.requests++;
      report.statuses[sent.status] = (report.statuses[sent.status] ?? 0) + 1;
      if (sent.status < 300) report.succeeded.add(where);
      if (sent.type.startsWith(PROBLEM_TYPE)) report.codes.add((JSON.parse(sent.text) as Problem).code);
      const fault = judge(next, sent);
      if (fault !== null) report.failures.push(`${fault}: ${sent.status} ${sent.text.slice(0, 300)} after ${describe(next)}`);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, work));
  return report;
}

function describe({ operation, path, query, headers, body, credential }: FuzzCase): string {
  return `${operation.method} ${path} ${JSON.stringify(query)} ${JSON.stringify(headers)} as ${credential}: ${body?.slice(0, 300)}`;
}

/** Sends requests for one account, and takes another when the requests have ended its session, its token or itself. */
class Caller {
  private tenant: Tenant | null = null;

  constructor(
    private readonly plane: TestControlPlane,
    private readonly operator: TestBrowser,
    private readonly address: string | undefined,
  ) {}

  async send({ operation, credential, path, query, headers, body }: FuzzCase): Promise<Sent> {
    this.tenant ??= await makeTenant(this.plane, `fuzz-${randomUUID()}`);
    const { token, browser, ids } = this.tenant;
    const own = ownIdFor(operation.path, ids);
    const search = new URLSearchParams(
      query.map(([name, value]): [string, string] => [name.toWellFormed(), value === OWN_ID ? ids.key : value.toWellFormed()]),
    );
    const url = `${this.plane.url}${path.replaceAll(OWN_ID, own)}${search.size === 0 ? '' : `?${search}`}`;
    const init: RequestInit = {
      method: operation.method,
      redirect: 'manual',
      headers: {
        ...headers,
        'x-forwarded-for': this.address ?? `10.1.${randomInt(OCTET_VALUES)}.${randomInt(OCTET_VALUES)}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(credential === 'session' ? { cookie: browser.cookie ?? '' } : {}),
        ...(credential === 'operator' ? { cookie: this.operator.cookie ?? '' } : {}),
        ...(credential === 'token' ? { authorization: `Bearer ${token}` } : {}),
        ...(credential === 'nonsense' ? { authorization: 'Bearer tlm_nonsense', cookie: 'tl_session=nonsense' } : {}),
      },
      ...(body === undefined ? {} : { body }),
    };
    const response = await fetch(url, init).catch((err: Error) => new Response(String(err.cause), { status: NO_ANSWER }));
    const type = response.headers.get('content-type') ?? '';
    const isStream = type.startsWith('text/event-stream');
    const text = isStream ? '' : await response.text();
    if (isStream) await response.body?.cancel();
    const isOver = response.status === 401 && (credential === 'session' || credential === 'token');
    if (isOver || (operation.method === 'DELETE' && response.status < 300)) this.tenant = null;
    return { status: response.status, type, text, headers: [...response.headers.keys()] };
  }
}

function ownIdFor(path: string, ids: Tenant['ids']): string {
  const [, , noun = ''] = path.split('/');
  const byNoun: Record<string, string> = { keys: ids.key, projects: ids.project, tokens: ids.token, invites: ids.invite };
  const others: Record<string, string> = {
    members: ids.user,
    sessions: ids.session,
    operator: ids.account,
    accounts: ids.account,
  };
  return byNoun[noun] ?? others[noun] ?? ids.key;
}

async function makeOperator(plane: TestControlPlane): Promise<TestBrowser> {
  const { browser, me } = await plane.signUp(`operator-${randomUUID()}@example.com`);
  await plane.database.query('INSERT INTO control.operators (user_id) VALUES ($1)', [me.user.id]);
  return browser;
}

function judgeOf(document: OpenApiDocument): (sent: FuzzCase, answer: Sent) => string | null {
  const ajv = new Ajv2020({ strict: false, allErrors: false });
  addFormats.default(ajv);
  ajv.addSchema({ $id: 'api', ...(JSON.parse(JSON.stringify(document)) as object) });
  const pointer = (text: string) => text.replaceAll('~', '~0').replaceAll('/', '~1');
  return ({ operation }, { status, type, text, headers }) => {
    if (status >= ERROR_MIN) return 'an error of ours';
    if (status === THROTTLED && LIMIT_HEADERS.some((name) => !headers.includes(name)))
      return 'a 429 that does not name its limit';
    const response = operation.responses[String(status)];
    if (response === undefined) return 'a status that the document does not have';
    const mediaType = type.split(';')[0] ?? '';
    if (response.content === undefined) return text === '' ? null : 'a body that the document does not have';
    // Files are of several types.
    if (response.content['application/octet-stream'] !== undefined) return null;
    if (response.content[mediaType] === undefined) return `a body of a type that the document does not have, ${mediaType}`;
    if (!mediaType.endsWith('json') || mediaType === 'application/x-ndjson') return null;
    const at = `#/paths/${pointer(operation.path)}/${operation.method.toLowerCase()}/responses/${status}/content/${pointer(mediaType)}/schema`;
    const validate = ajv.getSchema(`api${at}`) ?? ajv.compile({ $ref: `api${at}` });
    if (validate(JSON.parse(text))) return null;
    return `a body that does not fit (${ajv.errorsText(validate.errors)})`;
  };
}
