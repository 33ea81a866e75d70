import { describe, expect, it } from '@jest/globals';
import { type FieldChange, upstreamBody } from './upstream-body.service.js';

function change(text: string, ...changes: FieldChange[]): string {
  const body = Buffer.from(text);
  return upstreamBody(body, JSON.parse(text) as Record<string, unknown>, changes).toString();
}

describe('the body for the upstream', () => {
  it("is the client's own buffer where nothing must change", () => {
    const body = Buffer.from('{ "model":"m",  "messages":[] }');
    expect(upstreamBody(body, { model: 'm', messages: [] }, [['model', 'm']])).toBe(body);
  });

  it('keeps every byte when a field is only added', () => {
    expect(change('{ "model" : "m", "seed": 12345678901234567890 }\n', ['stream_options', { include_usage: true }])).toBe(
      '{ "model" : "m", "seed": 12345678901234567890 ,"stream_options":{"include_usage":true}}\n',
    );
  });

  it('keeps numbers that JavaScript cannot hold when a field is replaced', () => {
    expect(change('{"model":"public","seed":12345678901234567890,"temperature":1.0}', ['model', 'upstream'])).toBe(
      '{"model":"upstream","seed":12345678901234567890,"temperature":1.0}',
    );
  });

  it('replaces what was there, null too', () => {
    expect(change('{"model":"m","max_tokens":null}', ['max_tokens', 40])).toBe('{"model":"m","max_tokens":40}');
  });
});
