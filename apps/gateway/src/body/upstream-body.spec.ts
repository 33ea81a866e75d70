import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type FieldChange, upstreamBody } from './upstream-body.service.js';

const DEPTH = 200_000;

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

  it('keeps every byte around a value that is replaced', () => {
    expect(
      change('{ "model" : "public" ,"seed":12345678901234567890,\n"temperature":1.0 } ', ['model', 'upstream'], ['n', 1]),
    ).toBe('{ "model" : "upstream" ,"seed":12345678901234567890,\n"temperature":1.0 ,"n":1} ');
  });

  it('replaces what was there, null and repetitions too, however the name is written', () => {
    expect(change('{"model":"m","max_tokens":null}', ['max_tokens', 40])).toBe('{"model":"m","max_tokens":40}');
    expect(change('{"model":"a","mod\\u0065l":"b"}', ['model', 'c'])).toBe('{"model":"c","mod\\u0065l":"c"}');
  });

  it('touches nothing of the same name further inside', () => {
    const text = '{"messages":[{"model":"a"}],"x":"\\"model\\":\\"a\\"","model":"a"}';
    expect(change(text, ['model', 'b'])).toBe('{"messages":[{"model":"a"}],"x":"\\"model\\":\\"a\\"","model":"b"}');
  });

  it('minds no nesting, however deep', () => {
    const deep = `{"x":${'['.repeat(DEPTH)}${']'.repeat(DEPTH)},"model":"a"}`;
    expect(upstreamBody(Buffer.from(deep), { model: 'a' }, [['model', 'b']]).toString()).toBe(deep.replace('"a"', '"b"'));
  });

  it('says the same as parsing, changing and writing it anew', () => {
    const values = fc.jsonValue({ depthSize: 'small' });
    const names = fc.oneof(fc.constantFrom('model', 'n', 'stream'), fc.string());
    const objects = fc.dictionary(
      names.filter((name) => name !== '__proto__'),
      values,
    );
    fc.assert(
      fc.property(objects, fc.constantFrom(0, 1, 3), values, (fields, indent, value) => {
        const text = JSON.stringify({ first: 1, ...fields }, null, indent);
        const expected = { first: 1, ...fields, model: value, n: 4 };
        expect(JSON.parse(change(text, ['model', value], ['n', 4]))).toEqual(JSON.parse(JSON.stringify(expected)));
      }),
    );
  });
});
