import { describe, expect, it } from '@jest/globals';
import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import { testModel } from '../../test/test-models.js';
import { isApiError } from '../errors/api-error.types.js';
import { chatCompletions } from './chat.service.js';
import { readChatRequest } from './chat-request.js';

const messages = [{ role: 'user', content: 'hi' }];

function read(body: unknown) {
  return readChatRequest(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
}

function readOk(body: object) {
  const request = read({ model: 'm', messages, ...body });
  if (isApiError(request)) throw new Error(request.body.error.message);
  return request;
}

function readCall(body: object) {
  const call = chatCompletions.read(Buffer.from(JSON.stringify({ model: 'm', messages, ...body })), {});
  if (isApiError(call)) throw new Error(call.body.error.message);
  return call;
}

describe('a request body', () => {
  it.each<[string, unknown, string | null]>([
    ['no JSON', '{', null],
    ['an array', [], null],
    ['null', 'null', null],
    ['no model', { messages }, 'model'],
    ['a model that is no text', { model: 4, messages }, 'model'],
    ['no messages', { model: 'm' }, 'messages'],
    ['messages that are no list', { model: 'm', messages: 'hi' }, 'messages'],
    ['no message at all', { model: 'm', messages: [] }, 'messages'],
    ['a message that is no object', { model: 'm', messages: [...messages, 'hi'] }, 'messages[1]'],
    ['a Responses API body', { model: 'm', input: 'hi' }, 'messages'],
    ['stream as text', { model: 'm', messages, stream: 'yes' }, 'stream'],
    ['stream_options without stream', { model: 'm', messages, stream_options: { include_usage: true } }, 'stream_options'],
    ['stream_options as text', { model: 'm', messages, stream: true, stream_options: 'x' }, 'stream_options'],
    [
      'include_usage as text',
      { model: 'm', messages, stream: true, stream_options: { include_usage: 'x' } },
      'stream_options.include_usage',
    ],
    ['a second model in another spelling', { model: 'm', messages, Model: 'dear' }, 'Model'],
    ['choices in capitals', { model: 'm', messages, N: 128 }, 'N'],
    ['a long s, which Go folds', { model: 'm', messages, 'me\u017fsages': [] }, 'me\u017fsages'],
    ['a Kelvin sign, which Go folds', { model: 'm', messages, 'max_to\u212aens': 9 }, 'max_to\u212aens'],
    ['max_tokens 0', { model: 'm', messages, max_tokens: 0 }, 'max_tokens'],
    ['max_tokens with a fraction', { model: 'm', messages, max_tokens: 1.5 }, 'max_tokens'],
    ['max_completion_tokens as text', { model: 'm', messages, max_completion_tokens: '5' }, 'max_completion_tokens'],
    ['n 0', { model: 'm', messages, n: 0 }, 'n'],
    ['n above the bound', { model: 'm', messages, n: 129 }, 'n'],
    ['web search', { model: 'm', messages, web_search_options: {} }, 'web_search_options'],
    ['tools that are no list', { model: 'm', messages, tools: {} }, 'tools'],
    ['a tier with a price of its own', { model: 'm', messages, service_tier: 'priority' }, 'service_tier'],
    ['a tool run by the provider', { model: 'm', messages, tools: [{ type: 'code_interpreter' }] }, 'tools[0].type'],
  ])('with %s is refused with 400 and the parameter named', (_name, body, param) => {
    const error = read(body);
    if (!isApiError(error)) throw new Error('it was accepted');
    expect(error.status).toBe(400);
    expect(error.body.error.param).toBe(param);
  });

  it('that imitates an error is a body like any other', () => {
    expect(isApiError(read({ model: 'm', messages, status: 200, headers: {}, body: { error: {} } }))).toBe(false);
  });

  it('holds for the larger of two output limits', () => {
    expect(readOk({ max_tokens: 5, max_completion_tokens: 9 }).maxTokens).toBe(9);
    expect(readOk({}).maxTokens).toBeNull();
  });

  it('counts what bytes do not bound', () => {
    const image = { type: 'image_url', image_url: { url: 'https://example.test/a.png' } };
    expect(
      readCall({ messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }, image, image] }] }).shape,
    ).toMatchObject({ images: 2, isInputUnbounded: false });
    expect(
      readCall({ messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'f' } }] }] }).shape.isInputUnbounded,
    ).toBe(true);
    expect(readCall({ messages: [{ role: 'user', content: [{ type: 'hologram' }] }] }).shape.isInputUnbounded).toBe(true);
    expect(readCall({ previous_response_id: 'r' }).shape.isInputUnbounded).toBe(true);
    expect(readCall({ modalities: ['text', 'audio'] }).shape.hasAudio).toBe(true);
    expect(readCall({ n: 3 }).shape.choices).toBe(3);
    expect(readCall({ prediction: { type: 'content', content: 'x'.repeat(100) } }).predictionBytes).toBeGreaterThan(100);
  });
});

describe('a request on its way upstream', () => {
  const [deployment] = testModel('m', 'http://upstream.test').deployments as [Deployment];

  it('asks for the usage of a stream beside what the client asked for', () => {
    const call = readCall({ stream: true, stream_options: { include_obfuscation: false } });
    expect(JSON.parse(call.bodyFor(deployment, null).toString())).toMatchObject({
      stream_options: { include_obfuscation: false, include_usage: true },
    });
  });

  it('carries the clamp in the field that the provider reads', () => {
    const newer: Partial<Deployment>[] = [
      { baseUrl: 'https://api.openai.com/v1' },
      { baseUrl: 'https://eu.api.openai.com/v1' },
      { baseUrl: 'https://x.openai.azure.com/openai/v1' },
      { provider: 'azure-openai', baseUrl: 'https://gateway.example/openai' },
    ];
    for (const change of newer) {
      const sent = JSON.parse(
        readCall({})
          .bodyFor({ ...deployment, ...change }, 40)
          .toString(),
      );
      expect([sent.max_completion_tokens, sent.max_tokens]).toEqual([40, undefined]);
    }
    const early: Partial<Deployment> = {
      provider: 'azure-openai',
      baseUrl: 'https://x.openai.azure.com/openai',
      apiVersion: '2024-06-01',
    };
    expect(
      JSON.parse(
        readCall({})
          .bodyFor({ ...deployment, ...early }, 40)
          .toString(),
      ),
    ).toMatchObject({ max_tokens: 40 });
    const alike = { ...deployment, baseUrl: 'https://notopenai.com/v1' };
    expect(JSON.parse(readCall({}).bodyFor(alike, 40).toString())).toMatchObject({ max_tokens: 40 });
    expect(JSON.parse(readCall({ max_tokens: null }).bodyFor(deployment, 40).toString())).toMatchObject({ max_tokens: 40 });
  });

  it('is the same bytes where nothing must change', () => {
    const body = Buffer.from('{ "model":"m","messages":[{"role":"user","content":"hi"}], "seed": 12345678901234567890 }');
    const call = chatCompletions.read(body, {});
    expect(isApiError(call) ? null : call.bodyFor(deployment, null)).toBe(body);
  });
});
