import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ResponsesScanner } from './responses-scanner.js';

const USAGE = { input_tokens: 9, output_tokens: 12 };

function event(type: string, fields: object = {}): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

const created = event('response.created', { response: { usage: null } });
const completed = event('response.completed', { response: { status: 'completed', usage: USAGE } });

function scan(parts: Buffer[]) {
  const scanner = new ResponsesScanner();
  const passed: Buffer[] = [];
  let ending: string | null = null;
  let isError = false;
  for (const step of [...parts.map((part) => () => scanner.push(part)), () => scanner.finish()]) {
    if (ending !== null || isError) break;
    const scanned = step();
    passed.push(scanned.bytes);
    ending = scanned.ending?.toString() ?? null;
    isError = scanned.isError;
  }
  return { passed: Buffer.concat(passed).toString(), usage: scanner.usage, events: scanner.events, ending, isError };
}

function delta(text: string): string {
  return event('response.output_text.delta', { delta: text });
}

describe("the Responses API's scanner", () => {
  it('withholds the last event and takes the usage from it', () => {
    expect(scan([Buffer.from(created + delta('a') + delta('b') + completed)])).toEqual({
      passed: created + delta('a') + delta('b'),
      usage: USAGE,
      events: 2,
      ending: completed,
      isError: false,
    });
  });

  it('takes an answer that hit its limit as whole', () => {
    const incomplete = event('response.incomplete', { response: { usage: USAGE } });
    expect(scan([Buffer.from(created + incomplete)])).toMatchObject({ ending: incomplete, usage: USAGE, isError: false });
  });

  it('reads events without their name, and CRLF', () => {
    const bare = (text: string) => text.replace(/^event: .*\n/gm, '').replaceAll('\n', '\r\n');
    const text = bare(created) + bare(delta('a')) + bare(completed);
    expect(scan([Buffer.from(text)])).toMatchObject({ usage: USAGE, events: 1, ending: bare(completed) });
  });

  it.each([
    ['a failure', event('response.failed', { response: { error: { message: 'secret' } } })],
    ['an error', event('error', { message: 'secret' })],
    ['no end', ''],
    ['an end that cannot be read', 'event: response.completed\ndata: {"response": \n\n'],
  ])('takes %s as an answer cut short, and withholds it', (_name, end) => {
    expect(scan([Buffer.from(created + delta('a') + end)])).toMatchObject({
      passed: created + delta('a'),
      ending: null,
      isError: true,
    });
  });

  it('gives the same result however the stream is cut, and is not fooled by what the model says', () => {
    const texts = fc.array(
      fc.oneof(
        fc.string({ unit: 'grapheme' }),
        fc.constantFrom('event: response.completed\n\n', '\n\nevent: error\n', '"type":"response.failed"'),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(texts, fc.array(fc.nat(), { maxLength: 12 }), (said, cuts) => {
        const head = created + said.map(delta).join('');
        const bytes = Buffer.from(head + completed);
        const positions = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((left, right) => left - right);
        const parts = [0, ...positions].map((from, index) => bytes.subarray(from, positions[index] ?? bytes.length));
        expect(scan(parts)).toEqual({ passed: head, usage: USAGE, events: said.length, ending: completed, isError: false });
      }),
    );
  });
});
