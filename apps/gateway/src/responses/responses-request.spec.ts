import { describe, expect, it } from '@jest/globals';
import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import { chargeUsage } from '@tensorloop/pricing/charge';
import { worstCaseHold } from '@tensorloop/pricing/hold';
import { normaliseResponsesUsage } from '@tensorloop/pricing/responses-usage';
import fc from 'fast-check';
import { testModel, testPrice } from '../../test/test-models.js';
import { isApiError } from '../errors/api-error.types.js';
import { responses } from './responses.service.js';

const model = 'm';
const input = 'hi';
const [deployment] = testModel('m', 'http://upstream.test').deployments as [Deployment];

function read(body: unknown) {
  return responses.read(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), {});
}

function readOk(body: object) {
  const request = read({ model, input, ...body });
  if (isApiError(request)) throw new Error(request.body.error.message);
  return request;
}

describe('a Responses request', () => {
  it.each<[string, unknown, string | null]>([
    ['no JSON', '[', null],
    ['no model', { input }, 'model'],
    ['no input', { model }, 'input'],
    ['input of a wrong kind', { model, input: 4 }, 'input'],
    ['an item that is no object', { model, input: [{ role: 'user', content: 'a' }, 'b'] }, 'input[1]'],
    ['stream as text', { model, input, stream: 'yes' }, 'stream'],
    ['max_output_tokens 0', { model, input, max_output_tokens: 0 }, 'max_output_tokens'],
    ['max_output_tokens with a fraction', { model, input, max_output_tokens: 1.5 }, 'max_output_tokens'],
    ['tools that are no list', { model, input, tools: {} }, 'tools'],
    ['web search', { model, input, tools: [{ type: 'function' }, { type: 'web_search' }] }, 'tools[1].type'],
    ['file search', { model, input, tools: [{ type: 'file_search' }] }, 'tools[0].type'],
    ['a code interpreter', { model, input, tools: [{ type: 'code_interpreter' }] }, 'tools[0].type'],
    ['image generation', { model, input, tools: [{ type: 'image_generation' }] }, 'tools[0].type'],
    ['an MCP server', { model, input, tools: [{ type: 'mcp' }] }, 'tools[0].type'],
    ['tools inside the input', { model, input: [{ type: 'additional_tools', tools: [] }] }, 'input[0].type'],
    ['a search result with tools', { model, input: [{ type: 'x', tools: [{ type: 'mcp' }] }] }, 'input[0].tools[0].type'],
    ['a stored prompt', { model, input, prompt: { id: 'pmpt_1' } }, 'prompt'],
    ['work in the background', { model, input, background: true }, 'background'],
    ['compaction', { model, input, context_management: [{ type: 'compaction' }] }, 'context_management'],
    ['a dearer tier', { model, input, service_tier: 'priority' }, 'service_tier'],
  ])('with %s is refused with 400 and the parameter named', (_name, body, param) => {
    const error = read(body);
    if (!isApiError(error)) throw new Error('it was accepted');
    expect(error).toMatchObject({ status: 400, body: { error: { param, message: expect.any(String) } } });
  });

  it.each([
    ['an earlier response', { previous_response_id: 'resp_1' }],
    ['an earlier response alone', { previous_response_id: 'resp_1', input: undefined }],
    ['a stored conversation', { conversation: 'conv_1' }],
    ['a file', { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file_1' }] }] }],
    ['a reference', { input: [{ type: 'item_reference', id: 'msg_1' }] }],
    ['encrypted reasoning', { input: [{ type: 'reasoning', encrypted_content: 'x' }] }],
    ['a kind nobody knows', { input: [{ type: 'constructor' }] }],
    ['a part nobody knows', { input: [{ role: 'user', content: [{ type: 'hologram' }] }] }],
    ['a file as the result of a tool', { input: [{ type: 'function_call_output', output: [{ type: 'input_file' }] }] }],
  ])('with %s is held for at the context window', (_name, body) => {
    expect(readOk(body).shape.isInputUnbounded).toBe(true);
  });

  it('counts messages, images and audio', () => {
    const content = [
      { type: 'input_text', text: 'a' },
      { type: 'input_image', image_url: 'https://example.test/a.png' },
    ];
    const items = [
      { role: 'user', content },
      { type: 'function_call', name: 'f', arguments: '{}' },
      { type: 'function_call_output', output: 'x' },
    ];
    expect(readOk({ input: items, background: false }).shape).toMatchObject({
      images: 1,
      messages: 4,
      isInputUnbounded: false,
      hasAudio: false,
    });
    expect(readOk({ input: [{ role: 'user', content: [{ type: 'input_audio' }] }] }).shape.hasAudio).toBe(true);
  });

  it('goes upstream byte for byte, or with nothing but model and clamp changed', () => {
    const body = Buffer.from('{ "model":"m","input":"hi", "metadata":{"a":"b"}, "unknown": 1.0 }');
    const request = responses.read(body, {});
    if (isApiError(request)) throw new Error('refused');
    expect(request.bodyFor(deployment, null)).toBe(body);
    expect(request.bodyFor(deployment, 40).toString()).toBe(
      '{ "model":"m","input":"hi", "metadata":{"a":"b"}, "unknown": 1.0 ,"max_output_tokens":40}',
    );
  });

  it('is never charged more than its hold while the provider keeps to the limits', () => {
    const limits = testModel('m', 'http://upstream.test', {
      contextTokens: 300,
      overheadTokens: 3,
      overheadTokensPerMessage: 2,
    });
    const version = {
      ...testPrice('m'),
      rates: { input: '0.15', input_cache_read: '0.075', output: '0.60', output_reasoning: '0.9' },
    };
    const shares = fc.record({
      cached: fc.double({ min: 0, max: 1, noNaN: true }),
      reasoning: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    const calls = fc.record({
      texts: fc.array(fc.string({ unit: 'binary', maxLength: 80 }), { minLength: 1, maxLength: 4 }),
      limit: fc.integer({ min: 1, max: 500 }),
      previous: fc.option(fc.constant('resp_1')),
      shares,
    });
    fc.assert(
      fc.property(calls, ({ texts, limit, previous, shares: { cached, reasoning } }) => {
        const items = texts.map((content) => ({ role: 'user', content }));
        const { shape } = readOk({ input: items, max_output_tokens: limit, previous_response_id: previous });
        const hold = worstCaseHold({ version, limits, shape }, limit);
        const text = texts.reduce((sum, part) => sum + Buffer.byteLength(part) + 2, 3);
        const read = previous === null ? Math.min(300, text) : 300;
        const raw = {
          input_tokens: read,
          input_tokens_details: { cached_tokens: Math.floor(read * cached) },
          output_tokens: limit,
          output_tokens_details: { reasoning_tokens: Math.floor(limit * reasoning) },
        };
        const usage = normaliseResponsesUsage(
          raw,
          new Set(['input', 'input_cache_read', 'output', 'output_reasoning'] as const),
        );
        const charge = 'usage' in usage ? chargeUsage(version, usage.usage) : { missing: [] };
        expect(hold !== null && 'totalNanoUsd' in charge && charge.totalNanoUsd <= hold.totalNanoUsd).toBe(true);
      }),
    );
  });

  it.each([
    [{ status: 'completed', usage: { input_tokens: 1 } }, { usage: { input_tokens: 1 } }],
    [{ status: 'completed', usage: null }, { usage: null }],
    [
      { status: 'failed', usage: null },
      { usage: { input_tokens: 0, output_tokens: 0 }, failed: { status: 'failed', usage: null } },
    ],
    [
      { status: 'failed', error: { message: 'x' }, usage: { input_tokens: 9_000 } },
      {
        usage: { input_tokens: 0, output_tokens: 0 },
        failed: { status: 'failed', error: { message: 'x' }, usage: { input_tokens: 9_000 } },
      },
    ],
    [
      { status: 503, error: { message: 'busy' } },
      { usage: null, isFailure: true },
    ],
    [
      { status: 'error', error: 'busy' },
      { usage: null, isFailure: true },
    ],
  ])('reads the usage of %j', (answer, whole) => {
    expect(readOk({}).reading.readWhole(Buffer.from(JSON.stringify(answer)), 'application/json')).toEqual(whole);
  });
});
