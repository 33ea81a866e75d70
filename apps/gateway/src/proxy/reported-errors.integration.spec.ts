import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openAiErrorSchema } from '@tensorloop/contracts/openai-error';
import { waitUntil } from '@tensorloop/testing/wait-until';
import type { GatewayFixture } from '../../test/gateway-fixture.js';
import { UPSTREAM_SECRET } from '../../test/gateway-processes.js';
import { type ScriptedGateway, startScriptedGateway } from '../../test/scripted-gateway.js';
import { answerWhole, type Behaviour, type ScriptedProvider } from '../../test/scripted-provider.js';
import type { TestKey } from '../../test/test-keys.js';
import { CONSECUTIVE_FAILURES_MAX } from '../routing/circuit-breaker.rules.js';

let gateway: ScriptedGateway;
let provider: ScriptedProvider;
let fixture: GatewayFixture;
let key: TestKey;

beforeAll(async () => {
  gateway = await startScriptedGateway('scripted');
  ({ provider, fixture, key } = gateway);
});

afterAll(() => gateway?.stop());

function answers(contentType: string, body: string): Behaviour {
  return (res) => void res.writeHead(200, { 'content-type': contentType }).end(body);
}

async function call(body: object) {
  const response = await fixture.chat(key, { model: 'scripted', ...body });
  const text = await response.text();
  return { status: response.status, text, event: await fixture.eventOf(response.headers.get('x-request-id')) };
}

function sse(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

const WORD = sse({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'word' } }] });

describe('a provider that reports its failure under status 200 (spec TL-9)', () => {
  it.each([
    ['with the status in its code', { message: `no quota for ${UPSTREAM_SECRET}`, code: 429 }, 429],
    ['with a word for a code', { message: `no quota for ${UPSTREAM_SECRET}`, code: 'busy' }, 502],
    ['about the credentials', { message: `bad key ${UPSTREAM_SECRET}`, code: 401 }, 502],
  ])('%s is an error to the client, without secrets, and nothing is charged', async (_how, error, status) => {
    provider.on('scripted', answers('application/json', JSON.stringify({ error, user_id: 'u' })));
    const answer = await call({});
    expect(answer.status).toBe(status);
    openAiErrorSchema.parse(JSON.parse(answer.text));
    expect(answer.text).not.toContain(UPSTREAM_SECRET);
    expect(answer.event).toMatchObject({ outcome: 'upstream_error', chargeNanoUsd: '0', httpStatus: status });
  });

  it('is an error although it says what was used, and to who asked for a stream as well', async () => {
    const body = JSON.stringify({ error: { message: 'busy', code: 503 }, usage: { prompt_tokens: 7, completion_tokens: 0 } });
    provider.on('scripted', answers('application/json', body));
    for (const stream of [false, true]) {
      const answer = await call({ stream });
      expect(answer.status).toBe(503);
      expect(JSON.parse(answer.text)).toMatchObject({ error: { message: 'busy' } });
      expect(answer.event).toMatchObject({ outcome: 'upstream_error', chargeNanoUsd: '0' });
      expect(answer.event.attempts).toMatchObject([{ status: 200, failure: 'protocol' }]);
    }
  });

  it('is no failure where nothing is said of an error: the answer is whole, and charged', async () => {
    const choices = [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }];
    const usage = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 };
    provider.on('scripted', answers('application/json', JSON.stringify({ error: {}, choices, usage })));
    expect(await call({})).toMatchObject({ status: 200, event: { outcome: 'completed', usage: { input: 7, output: 2 } } });
  });

  it.each([
    ['the client has made', { message: 'too long', code: 400 }],
    ['that may be the client’s', { message: 'too long', code: 'context_length_exceeded' }],
  ])('leaves the circuit closed by an error %s: nobody else is refused for it', async (_whose, error) => {
    provider.on('scripted', answers('application/json', JSON.stringify({ error })));
    for (let count = 0; count < 2 * CONSECUTIVE_FAILURES_MAX; count++) await call({ stream: count % 2 === 0 });
    provider.on('scripted', answerWhole);
    expect((await call({})).status).toBe(200);
  });

  it('has its circuit opened by an error of its own, as by any other failure', async () => {
    provider.on('scripted', answers('application/json', JSON.stringify({ error: { message: 'down', code: 503 } })));
    const codes: string[] = [];
    for (let count = 0; count <= CONSECUTIVE_FAILURES_MAX; count++) {
      const response = await fixture.chat(key, { model: 'scripted', stream: count % 2 === 0 });
      codes.push(((await response.json()) as { error: { code: string } }).error.code);
    }
    expect(codes.at(-1)).toBe('upstream_unavailable');
    provider.on('scripted', answerWhole);
    await waitUntil(async () => (await fixture.chat(key, { model: 'scripted' })).status === 200, {
      what: 'the circuit to close',
    });
  });

  it('has it opened by errors within streams as well, unless they may be the client’s own doing', async () => {
    const stream = (error: object) => answers('text/event-stream', sse({ error }));
    const ask = async () => (await fixture.chat(key, { model: 'scripted', stream: true })).text();
    provider.on('scripted', stream({ message: 'too long', code: 400 }));
    for (let count = 0; count <= CONSECUTIVE_FAILURES_MAX; count++) expect(await ask()).toContain('upstream_cut');
    provider.on('scripted', stream({ message: 'busy', type: 'overloaded_error' }));
    for (let count = 0; count < CONSECUTIVE_FAILURES_MAX; count++) expect(await ask()).toContain('upstream_cut');
    await waitUntil(async () => (await ask()).includes('upstream_unavailable'), { what: 'the circuit to open' });
    provider.on('scripted', answerWhole);
    await waitUntil(async () => (await fixture.chat(key, { model: 'scripted' })).status === 200, {
      what: 'the circuit to close',
    });
  });

  it('has it opened by whole Responses that say that their model failed, which are passed on as they came', async () => {
    const failed = (code: string) => ({ object: 'response', status: 'failed', error: { code, message: 'no' }, output: [] });
    const answerFailed = (code: string) => answers('application/json', JSON.stringify(failed(code)));
    const body = JSON.stringify({ model: 'scripted', input: 'hi' });
    const ask = async () => (await fixture.post('/responses', key, { body })).json();
    provider.on('scripted', answerFailed('invalid_prompt'));
    for (let count = 0; count <= CONSECUTIVE_FAILURES_MAX; count++) expect(await ask()).toEqual(failed('invalid_prompt'));
    provider.on('scripted', answerFailed('server_error'));
    for (let count = 0; count < CONSECUTIVE_FAILURES_MAX; count++) expect(await ask()).toEqual(failed('server_error'));
    expect(await ask()).toMatchObject({ error: { code: 'upstream_unavailable' } });
    provider.on('scripted', answerWhole);
    await waitUntil(async () => (await fixture.chat(key, { model: 'scripted' })).status === 200, {
      what: 'the circuit to close',
    });
  });

  it('in a stream ends it with an error event, and nothing is charged', async () => {
    const failure = sse({
      id: 'c',
      choices: [{ index: 0, finish_reason: 'error' }],
      error: { message: UPSTREAM_SECRET, code: 502 },
    });
    provider.on('scripted', answers('text/event-stream', WORD + failure));
    const answer = await call({ stream: true });
    expect(answer.text.startsWith(WORD)).toBe(true);
    const last = answer.text.slice(WORD.length);
    expect(openAiErrorSchema.parse(JSON.parse(last.replace('data: ', ''))).error.code).toBe('upstream_cut');
    expect(answer.text).not.toContain(UPSTREAM_SECRET);
    expect(answer.event).toMatchObject({ outcome: 'upstream_cut', chargeNanoUsd: '0' });
  });
});

describe('a stream that its provider closes as if all were well', () => {
  it.each([
    ['after a whole event', ''],
    ['inside an event', 'data: {"id":"c","choices":[{"ind'],
  ])('%s, without saying that it is over, ends in an error event and is not charged', async (_where, rest) => {
    provider.on('scripted', answers('text/event-stream', WORD + rest));
    const answer = await call({ stream: true });
    expect(answer.text.startsWith(`${WORD}data: {"error"`)).toBe(true);
    expect(answer.event).toMatchObject({ outcome: 'upstream_cut', chargeNanoUsd: '0' });
  });

  it('with [DONE] written without a blank is whole, and says so as all others do', async () => {
    const usage = sse({ id: 'c', choices: [], usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 } });
    provider.on('scripted', answers('text/event-stream', `${WORD}${usage}data:[DONE]\n\n`));
    const answer = await call({ stream: true });
    expect(answer.text).toBe(`${WORD}data: [DONE]\n\n`);
    expect(answer.event).toMatchObject({ outcome: 'completed', usage: { input: 7, output: 2 }, estimated: false });
  });
});
