import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { FORM_TYPE, type FormPart, formBody } from './form.js';

/** Calls in flight at once. */
const PARALLEL_MAX = 16;
const CALL_TIMEOUT_MS = 20_000;
/** Beyond what the stack holds. */
const DEPTH_MAX = 20_000;
const BUSY_RETRIES_MAX = 20;

export interface FuzzCase {
  method: string;
  path: string;
  headers: [name: string, value: string][];
  body: Buffer;
  /** Sent as bytes on a bare connection in place of all of the above. */
  raw: Buffer | null;
}

export interface FuzzAnswer {
  /** Null when the connection was closed without an answer, which is all that some bytes deserve. */
  status: number | null;
  text: string;
}

/** A valid body per endpoint; everything else is made from these. */
const VALID: Record<string, Record<string, unknown>> = {
  '/v1/chat/completions': { model: 'all', messages: [{ role: 'user', content: 'hello' }] },
  '/v1/completions': { model: 'all', prompt: 'hello' },
  '/v1/responses': { model: 'all', input: [{ role: 'user', content: [{ type: 'input_text', text: 'hello' }] }] },
  '/v1/messages': { model: 'all-claude', max_tokens: 20, messages: [{ role: 'user', content: 'hello' }] },
  '/v1/messages/count_tokens': { model: 'all-claude', messages: [{ role: 'user', content: 'hello' }] },
  '/v1/embeddings': { model: 'all', input: ['hello', 'there'] },
  '/v1/rerank': { model: 'all', query: 'hello', documents: ['a', { text: 'b' }] },
  '/v1/moderations': { model: 'all', input: 'hello' },
  '/v1/images/generations': { model: 'all', prompt: 'hello' },
  '/v1/audio/speech': { model: 'all', voice: 'alloy', input: 'hello' },
};
const FORM_ADDRESS = '/v1/audio/transcriptions';
const JSON_ADDRESSES = Object.keys(VALID);
export const ADDRESSES = [...JSON_ADDRESSES, FORM_ADDRESS];
/** Fields that something looks at, and names that JavaScript finds special. */
const FIELDS = [
  ...['model', 'messages', 'input', 'prompt', 'query', 'documents', 'stream', 'stream_options', 'max_tokens', 'n', 'best_of'],
  ...['max_completion_tokens', 'max_output_tokens', 'tools', 'prediction', 'audio', 'modalities', 'instructions', 'thinking'],
  ...[
    'system',
    'previous_response_id',
    'conversation',
    'service_tier',
    'top_n',
    'metadata',
    'web_search_options',
    'background',
  ],
  ...['size', 'quality', 'output_format', 'response_format', 'stream_format', 'voice'],
  ...['__proto__', 'constructor', 'toString', 'status', 'headers', 'body', ''],
];
const ODD_NUMBERS = ['0', '-0', '-1', '1.5', '1e400', '-1e400', '9007199254740993', '1e21', '128', '4294967296'];

const fieldValue = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value)),
  fc.constantFrom(...ODD_NUMBERS, 'null', 'true', '""', '[]', '{}', '[[]]', '[{}]', '[{"type":"constructor"}]'),
  fc.integer({ min: 1, max: DEPTH_MAX }).map((depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`),
  fc.integer({ min: 1, max: DEPTH_MAX }).map((depth) => `${'{"content":['.repeat(depth)}${']}'.repeat(depth)}`),
);

/** Body text with some fields replaced, added or given twice. */
function withFields(address: string, changes: [string, string][], replaces: boolean): string {
  const replaced = new Set(replaces ? changes.map(([name]) => name) : []);
  const kept = Object.entries(VALID[address] ?? {}).filter(([name]) => !replaced.has(name));
  const fields = kept.map(([name, value]) => [name, JSON.stringify(value)] as const);
  return `{${[...fields, ...changes].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
}

/** Parts of a form that something looks at, and some that nothing does. */
const PARTS: FormPart[] = [
  { name: 'model', value: 'all' },
  { name: 'file', value: Buffer.alloc(3_000), filename: 'a.wav' },
  ...['json', 'text', 'srt', 'vtt', 'verbose_json', 'xml'].map((value) => ({ name: 'response_format', value })),
  ...['false', 'true', ''].map((value) => ({ name: 'stream', value })),
  { name: 'model', value: '', filename: 'm' },
  { name: 'prompt', value: 'hello' },
  { name: 'timestamp_granularities[]', value: 'word' },
  { name: '__proto__', value: '1' },
  { name: '', value: '' },
  { name: 'x', value: 'y', head: 'Content-Disposition: form-data; name="model"; name="x"' },
  { name: 'x', value: 'y', head: 'Content-Disposition: form-data; name="' },
  { name: 'x', value: 'y', head: '' },
];
const VALID_PARTS = PARTS.slice(0, 2);

/** Forms that are right, or have parts too many, too few, or of odd bytes. */
function formBodies(): fc.Arbitrary<Buffer> {
  const odd = fc.record({
    name: fc.constantFrom('model', 'file', 'x'),
    value: fc.uint8Array({ maxLength: 60 }).map(Buffer.from),
  });
  const parts = fc
    .tuple(fc.boolean(), fc.array(fc.oneof(fc.constantFrom(...PARTS), odd), { maxLength: 3 }))
    .map(([isValid, others]) => formBody(isValid ? [...VALID_PARTS, ...others] : others));
  return fc.oneof({ weight: 4, arbitrary: fc.constant(formBody(VALID_PARTS)) }, { weight: 8, arbitrary: parts });
}

function bodyOf(address: string): fc.Arbitrary<Buffer> {
  const changes = fc.array(fc.tuple(fc.constantFrom(...FIELDS), fieldValue), { maxLength: 3 });
  const json = fc.tuple(changes, fc.boolean()).map(([list, replaces]) => Buffer.from(withFields(address, list, replaces)));
  return damaged(address === FORM_ADDRESS ? formBodies() : json);
}

/** Most of the bodies as they are; some with a byte changed or with their end missing, and some noise. */
function damaged(whole: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const flipped = fc.tuple(whole, fc.nat(), fc.nat(255)).map(([bytes, at, byte]) => {
    const changed = Buffer.from(bytes);
    changed[at % changed.length] = byte;
    return changed;
  });
  const cut = fc.tuple(whole, fc.nat()).map(([bytes, at]) => bytes.subarray(0, at % bytes.length));
  const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof({ weight: 8, arbitrary: whole }, { weight: 2, arbitrary: flipped }, cut, noise);
}

const visible = fc.stringMatching(/^[\x21-\x7e]{0,40}$/);

/** Tags that are right, and some with names, escapes and numbers of them that are not. */
function tagsTexts(): fc.Arbitrary<string> {
  const name = fc.constantFrom('team', 'environment', 'a.b', 'team', '', '__proto__', 'constructor', 'Ünit', 'x'.repeat(200));
  const value = fc.oneof(visible, fc.constantFrom('search', 'a%20b', '%', '%zz', '%ff', '%00', '%0a', '=', ''));
  const pair = fc.tuple(name, fc.constantFrom('=', ' = ', ''), value).map((parts) => parts.join(''));
  const list = fc.array(pair, { maxLength: 20 }).map((pairs) => pairs.join(','));
  return fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom('team=search', 'team=search, environment=production') },
    list,
    visible,
  );
}

function headersOf(keyText: string, usualType = 'application/json'): fc.Arbitrary<[string, string][]> {
  const key = fc.oneof(
    { weight: 12, arbitrary: fc.constant(`Bearer ${keyText}`) },
    fc.constantFrom(`bearer ${keyText}`, `Bearer  ${keyText}`, keyText, `Bearer ${keyText}x`, 'Bearer', 'Basic Og==', ''),
    visible,
  );
  const type = fc.oneof(
    { weight: 10, arbitrary: fc.constant(usualType) },
    fc.constantFrom('text/plain', 'application/json; charset=utf-16', 'multipart/form-data', ';;;', '', FORM_TYPE),
    visible,
  );
  const name = fc.constantFrom(
    'content-encoding',
    'expect',
    'x-request-id',
    'traceparent',
    'cookie',
    'anthropic-version',
    'anthropic-beta',
    'x-api-key',
    'accept-encoding',
    'range',
    'if-match',
    'x-odd',
  );
  const other = fc.tuple(name, fc.oneof(visible, fc.constantFrom('gzip', '100-continue', 'identity')));
  const tagged = fc.tuple(fc.constant('x-tensorloop-tags'), tagsTexts());
  const others = fc.array(fc.oneof({ weight: 3, arbitrary: other }, tagged), { minLength: 1, maxLength: 2 });
  const few = fc.oneof({ weight: 4, arbitrary: fc.constant([] as [string, string][]) }, others);
  return fc
    .tuple(key, type, few)
    .map(([authorization, contentType, rest]) => [['authorization', authorization], ['content-type', contentType], ...rest]);
}

/** Bodies and headers, most of them almost right; a few connections that hold no HTTP at all. */
export function fuzzCases(keyText: string): fc.Arbitrary<FuzzCase> {
  const post = fc.constantFrom(...ADDRESSES).chain((path) =>
    fc.record({
      method: fc.constant('POST'),
      path: fc.constant(path),
      headers: headersOf(keyText, path === FORM_ADDRESS ? FORM_TYPE : undefined),
      body: bodyOf(path),
      raw: fc.constant(null),
    }),
  );
  const odd = fc.record({
    method: fc.constantFrom('GET', 'PUT', 'DELETE', 'OPTIONS', 'POST', 'PATCH'),
    path: fc.oneof(
      fc.constantFrom(...ADDRESSES, '/v1/models', '/v1/key'),
      visible.map((rest) => `/v1/models/${rest}`),
      visible.map((rest) => `/${rest}`),
    ),
    headers: headersOf(keyText),
    body: fc.constant(Buffer.alloc(0)),
    raw: fc.constant(null),
  });
  const start = fc.constantFrom(
    '',
    'GET / HTTP/1.1\r\n',
    'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n',
    'POST /v1/embeddings HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
  );
  const bytes = fc.tuple(start, fc.uint8Array({ maxLength: 80 })).map(
    ([head, rest]): FuzzCase => ({
      method: '',
      path: '',
      headers: [],
      body: Buffer.alloc(0),
      raw: Buffer.concat([Buffer.from(head), Buffer.from(rest)]),
    }),
  );
  return fc.oneof({ weight: 16, arbitrary: post }, { weight: 2, arbitrary: odd }, bytes);
}

function sendRaw(url: URL, bytes: Buffer): Promise<FuzzAnswer> {
  return new Promise((resolve) => {
    const socket = connect(Number(url.port), url.hostname);
    let text = '';
    const done = () => resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? Number.NaN) || null, text });
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', done);
    socket.on('close', done);
    socket.setTimeout(CALL_TIMEOUT_MS, () => socket.destroy());
    // Half a request followed by the end of the connection: nothing more is to come.
    socket.end(bytes);
  });
}

function sendHttp(url: URL, agent: Agent, { method, path, headers, body }: FuzzCase): Promise<FuzzAnswer> {
  return new Promise((resolve, reject) => {
    const options = {
      host: url.hostname,
      port: url.port,
      method,
      path,
      agent,
      headers: ['host', url.host, ...headers.flat(), 'content-length', String(body.length)],
    };
    const req = request(options, (res) => {
      let text = '';
      res.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      res.on('end', () => resolve({ status: res.statusCode ?? null, text }));
      res.on('error', reject);
    });
    req.setTimeout(CALL_TIMEOUT_MS, () =>
      req.destroy(new Error(`no answer to ${method} ${path} ${body.toString('utf8', 0, 300)}`)),
    );
    req.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve({ status: null, text: '' }) : reject(error),
    );
    req.end(body);
  });
}

/** Sends every case, a few at a time, and hands each answer over as it comes. */
export async function sendAll(
  base: string,
  cases: FuzzCase[],
  onAnswer: (sent: FuzzCase, answer: FuzzAnswer) => void,
): Promise<void> {
  const url = new URL(base);
  const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL_MAX });
  let next = 0;
  const send = (sent: FuzzCase) => (sent.raw === null ? sendHttp(url, agent, sent) : sendRaw(url, sent.raw));
  const worker = async () => {
    for (let sent = cases[next++]; sent !== undefined; sent = cases[next++]) {
      let answer = await send(sent);
      // On a machine that is busy with other tests Redis may not answer in time; a client would come back, and so do we.
      for (let again = 0; again < BUSY_RETRIES_MAX && answer.text.includes('"admission_unavailable"'); again++)
        answer = await send(sent);
      onAnswer(sent, answer);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_MAX }, worker));
  agent.destroy();
}
