import { describe, expect, it } from '@jest/globals';
import { upstreamBody } from './chat-body.js';

function change(text: string, changes: Parameters<typeof upstreamBody>[2]): string {
  const body = Buffer.from(text);
  return upstreamBody(body, JSON.parse(text) as Record<string, unknown>, changes).toString();
}

describe('the body for the upstream', () => {
  it("is the client's own buffer where nothing must change", () => {
    const body = Buffer.from('{ "model":"m",  "messages":[] }');
    expect(upstreamBody(body, { model: 'm', messages: [] }, { model: 'm' })).toBe(body);
  });

  it('keeps every byte when a field is only added', () => {
    expect(change('{ "model" : "m", "seed": 12345678901234567890 }\n', { includeUsage: true })).toBe(
      '{ "model" : "m", "seed": 12345678901234567890 ,"stream_options":{"include_usage":true}}\n',
    );
  });

  it('asks for the usage beside what the client asked for', () => {
    const changed = change('{"model":"m","stream_options":{"include_obfuscation":false}}', { includeUsage: true });
    expect(JSON.parse(changed)).toEqual({ model: 'm', stream_options: { include_obfuscation: false, include_usage: true } });
  });

  it('keeps numbers that JavaScript cannot hold when a field is replaced', () => {
    expect(change('{"model":"public","seed":12345678901234567890,"temperature":1.0}', { model: 'upstream' })).toBe(
      '{"model":"upstream","seed":12345678901234567890,"temperature":1.0}',
    );
  });

  it('carries the clamp in the field it was told', () => {
    expect(JSON.parse(change('{"model":"m"}', { maxTokens: { field: 'max_completion_tokens', value: 40 } }))).toEqual({
      model: 'm',
      max_completion_tokens: 40,
    });
    expect(JSON.parse(change('{"model":"m","max_tokens":null}', { maxTokens: { field: 'max_tokens', value: 40 } }))).toEqual({
      model: 'm',
      max_tokens: 40,
    });
  });
});
