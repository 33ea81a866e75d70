import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isApiError } from '../errors/api-error.types.js';
import { betaProblem, type MessagesRequest, readMessagesRequest } from './messages-request.js';

const hello = [{ role: 'user', content: 'hello' }];

function read(fields: Record<string, unknown>, purpose: 'create' | 'count' = 'create') {
  return readMessagesRequest(Buffer.from(JSON.stringify({ model: 'claude-haiku-4-5', ...fields })), purpose);
}

function accepted(fields: Record<string, unknown>): MessagesRequest {
  const request = read({ max_tokens: 100, messages: hello, ...fields });
  if (isApiError(request)) throw new Error(request.body.error.message);
  return request;
}

function refusal(fields: Record<string, unknown>) {
  const request = read({ max_tokens: 100, messages: hello, ...fields });
  if (!isApiError(request)) throw new Error('accepted');
  return request;
}

function inUserTurn(...content: unknown[]) {
  return { messages: [{ role: 'user', content }] };
}

describe('a Messages body', () => {
  it('is read as far as it bears on the price', () => {
    const body = Buffer.from(
      JSON.stringify({ model: 'claude-haiku-4-5', max_tokens: 7, messages: hello, stream: true, new: 1 }),
    );
    expect(readMessagesRequest(body)).toMatchObject({
      model: 'claude-haiku-4-5',
      stream: true,
      maxTokens: 7,
      shape: { promptBytes: body.length, messages: 1, images: 0, isInputUnbounded: false },
      fields: { new: 1 },
    });
  });

  it.each([
    ['max_tokens', { model: 'm', messages: hello }],
    ['messages', { model: 'm', max_tokens: 1 }],
    ['model', { max_tokens: 1, messages: hello }],
  ])('without %s is refused by that name', (param, fields) => {
    const refused = readMessagesRequest(Buffer.from(JSON.stringify(fields)));
    expect(refused).toMatchObject({ status: 400, body: { error: { param, code: 'missing_required_parameter' } } });
  });

  it('needs no max_tokens for counting', () => {
    expect(read({ messages: hello }, 'count')).toMatchObject({ maxTokens: null });
  });

  it.each([
    ['max_tokens', { max_tokens: 0 }],
    ['max_tokens', { max_tokens: '5' }],
    ['messages', { messages: [] }],
    ['messages[1]', { messages: [hello[0], 'hello'] }],
    ['stream', { stream: 'yes' }],
    ['thinking.budget_tokens', { thinking: { type: 'enabled', budget_tokens: -1 } }],
  ])('with a wrong %s is refused by that name', (param, fields) => {
    expect(refusal(fields)).toMatchObject({ status: 400, body: { error: { param, code: 'invalid_value' } } });
  });

  it('of any content whatever is read or refused by a 400, and its size is always bounded', () => {
    const type = fc.constantFrom('text', 'image', 'tool_result', 'x', 1);
    const block = fc.record({ type, content: fc.jsonValue(), source: fc.jsonValue() });
    const turn = fc.record({ role: fc.constant('user'), content: fc.array(fc.oneof(block, fc.jsonValue())) });
    const fields = fc.record(
      {
        model: fc.oneof(fc.constant('m'), fc.jsonValue()),
        max_tokens: fc.oneof(fc.constant(5), fc.jsonValue()),
        messages: fc.oneof(fc.array(turn, { minLength: 1 }), fc.jsonValue()),
        system: fc.oneof(fc.array(block), fc.jsonValue()),
        tools: fc.jsonValue(),
        thinking: fc.jsonValue(),
        stream: fc.oneof(fc.boolean(), fc.jsonValue()),
        cache_control: fc.jsonValue(),
        context_management: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    let served = 0;
    fc.assert(
      fc.property(fields, (body) => {
        const request = readMessagesRequest(Buffer.from(JSON.stringify(body)));
        if (isApiError(request)) return request.status === 400;
        served += 1;
        const { promptBytes, messages, images = 0 } = request.shape;
        return [promptBytes, messages, images, request.maxTokens].every(
          (count) => Number.isSafeInteger(count) && Number(count) >= 0,
        );
      }),
      { numRuns: 2_000 },
    );
    expect(served).toBeGreaterThan(10);
  });

  it.each([
    ['no JSON', 'hello'],
    ['a list', '[]'],
    ['nothing', ''],
  ])('of %s is refused', (_, body) => {
    expect(readMessagesRequest(Buffer.from(body))).toMatchObject({ status: 400, body: { error: { code: 'invalid_body' } } });
  });
});

describe('what breaks the rule that bytes bound tokens', () => {
  const image = (data: string) => ({ type: 'image', source: { type: 'base64', media_type: 'image/png', data } });

  it('an image is held for as one, and not by its bytes', () => {
    const [small, large] = [accepted(inUserTurn(image('AA'))), accepted(inUserTurn(image('A'.repeat(90_000))))];
    expect(small.shape).toEqual(large.shape);
    expect(small.shape).toMatchObject({ images: 1, isInputUnbounded: false });
  });

  it('an image inside a tool’s result counts too', () => {
    const result = { type: 'tool_result', tool_use_id: 't', content: [image('AA'), { type: 'text', text: 'x' }] };
    expect(accepted(inUserTurn(result)).shape).toMatchObject({ images: 1, isInputUnbounded: false });
    const nested = { type: 'tool_result', tool_use_id: 't', content: [result] };
    expect(accepted(inUserTurn(nested)).shape.isInputUnbounded).toBe(true);
  });

  it.each([
    ['a document', { type: 'document', source: { type: 'file', file_id: 'f' } }],
    ['earlier thinking', { type: 'thinking', thinking: 'so', signature: 'sealed' }],
    ['a kind that nobody knows yet', { type: 'hologram' }],
  ])('%s is held for at the context window', (_, block) => {
    expect(accepted(inUserTurn(block)).shape.isInputUnbounded).toBe(true);
  });

  it('a tool that the provider knows brings a prompt of its own', () => {
    const tools = (type: string) => accepted({ tools: [{ type, name: 'bash' }] }).shape.promptBytes;
    expect(tools('bash_20250124') - tools('custom')).toBeGreaterThan(4_000);
  });

  it('a thinking budget above max_tokens is held for', () => {
    expect(accepted({ thinking: { type: 'enabled', budget_tokens: 5_000 } }).maxTokens).toBe(5_000);
    expect(accepted({ thinking: { type: 'adaptive' } }).maxTokens).toBe(100);
  });
});

describe('what has a price that the price book does not know', () => {
  const cached = { cache_control: { type: 'ephemeral', ttl: '1h' } };
  const text = { type: 'text', text: 'x' };

  it.each([
    ['tools[0].type', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }],
    ['tools[1].type', { tools: [{ name: 'mine', input_schema: {} }, { type: 'code_execution_20250825' }] }],
    ['tools[0].type', { tools: ['mine'] }],
    ['mcp_servers', { mcp_servers: [{ url: 'https://example.test' }] }],
    ['container', { container: 'c' }],
    ['fallbacks', { fallbacks: 'default' }],
    ['speed', { speed: 'fast' }],
    ['inference_geo', { inference_geo: 'us' }],
    ['context_management.edits', { context_management: { edits: [{ type: 'compact_20260112' }] } }],
    ['cache_control.ttl', cached],
    ['system[0].cache_control.ttl', { system: [{ ...text, ...cached }] }],
    ['tools[0].cache_control.ttl', { tools: [{ name: 'mine', input_schema: {}, ...cached }] }],
    ['messages[0].content[0].cache_control.ttl', inUserTurn({ ...text, ...cached })],
    [
      'messages[0].content[0].content[0].cache_control.ttl',
      inUserTurn({ type: 'tool_result', tool_use_id: 't', content: [{ ...text, ...cached }] }),
    ],
  ])('%s is refused by name', (param, fields) => {
    expect(refusal(fields)).toMatchObject({ status: 400, body: { error: { param, code: 'unsupported_content' } } });
  });

  it('the plain forms of the same are served', () => {
    const plain = {
      speed: 'standard',
      container: null,
      cache_control: { type: 'ephemeral' },
      system: [{ ...text, cache_control: { type: 'ephemeral', ttl: '5m' } }],
      tools: [
        { name: 'mine', input_schema: {} },
        { type: 'custom', name: 'too', input_schema: {} },
      ],
      context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] },
    };
    expect(accepted(plain).shape.isInputUnbounded).toBe(false);
  });

  it('betas with prices of their own are refused, all others pass', () => {
    expect(betaProblem('interleaved-thinking-2025-05-14, context-1m-2025-08-07')).toMatchObject({
      status: 400,
      body: { error: { param: 'anthropic-beta', message: expect.stringContaining('context-1m-2025-08-07') } },
    });
    expect(betaProblem('interleaved-thinking-2025-05-14,output-300k-2026-03-24')).toBeNull();
    expect(betaProblem(undefined)).toBeNull();
  });
});
