import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { UsageScanner } from './usage-scanner.service.js';

const USAGE = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 };

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function chunk(content: string): string {
  return event({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }], usage: null });
}

const usageEvent = event({ id: 'c', choices: [], usage: USAGE });

interface Scanned {
  passed: string;
  usage: unknown;
  events: number;
  isDone: boolean;
  isError: boolean;
}

function scan(parts: Buffer[], keepsUsageEvent = false): Scanned {
  const scanner = new UsageScanner(keepsUsageEvent);
  const passed: Buffer[] = [];
  let isDone = false;
  let isError = false;
  const take = (scanned: ReturnType<UsageScanner['push']>) => {
    if (isDone || isError) return;
    passed.push(scanned.bytes);
    isDone = scanned.ending !== null;
    isError = scanned.isError;
  };
  for (const part of parts) take(scanner.push(part));
  take(scanner.finish());
  return { passed: Buffer.concat(passed).toString(), usage: scanner.usage, events: scanner.events, isDone, isError };
}

function cutAt(bytes: Buffer, cuts: number[]): Buffer[] {
  const positions = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((left, right) => left - right);
  return [0, ...positions].map((from, index) => bytes.subarray(from, positions[index] ?? bytes.length));
}

describe('the usage scanner', () => {
  it('finds the usage, strips its event and withholds [DONE]', () => {
    const text = `${chunk('a')}${chunk('b')}${usageEvent}data: [DONE]\n\n`;
    expect(scan([Buffer.from(text)])).toEqual({
      passed: chunk('a') + chunk('b'),
      usage: USAGE,
      events: 2,
      isDone: true,
      isError: false,
    });
  });

  it('leaves the usage event to a client that asked for it', () => {
    const text = `${chunk('a')}${usageEvent}data: [DONE]\n\n`;
    expect(scan([Buffer.from(text)], true).passed).toBe(chunk('a') + usageEvent);
  });

  it('keeps an event that carries content beside its usage', () => {
    const both = event({ choices: [{ index: 0, delta: { content: 'x' } }], usage: USAGE });
    const scanned = scan([Buffer.from(both)]);
    expect(scanned).toMatchObject({ passed: both, usage: USAGE });
  });

  it('takes the last usage where an upstream reports it with every chunk', () => {
    const text = event({ choices: [], usage: { prompt_tokens: 1 } }) + event({ choices: [], usage: USAGE });
    expect(scan([Buffer.from(text)]).usage).toEqual(USAGE);
  });

  it('reads CRLF streams and blanks after the colon', () => {
    const text = `data: {"choices":[],"usage": {"prompt_tokens":3}}\r\n\r\ndata: [DONE]\r\n\r\n`;
    expect(scan([Buffer.from(text)])).toMatchObject({ passed: '', usage: { prompt_tokens: 3 }, isDone: true });
  });

  it('passes comments and unknown fields through', () => {
    const text = `: ping\n\nevent: note\nid: 4\n${chunk('a')}`;
    expect(scan([Buffer.from(text)]).passed).toBe(text);
  });

  it('withholds an error that the upstream sends inside its stream', () => {
    const text = `${chunk('a')}data: {"error":{"message":"secret"}}\n\n`;
    expect(scan([Buffer.from(text)])).toMatchObject({ passed: chunk('a'), isError: true });
  });

  it.each([
    [
      'behind other fields',
      `data: {"id":"c","error":{"message":"secret"},"choices":[{"index":0,"finish_reason":"error"}]}\n\n`,
    ],
    ['as text', `data: {"error": "secret"}\n\n`],
    ['without a blank before it', `data:{"error":{"message":"secret"}}\n\n`],
    ['under a name', `event: error\ndata: {"error":{"message":"secret"}}\n\n`],
  ])('withholds an error inside the stream that stands %s', (_where, failure) => {
    expect(scan([Buffer.from(chunk('a') + failure)])).toMatchObject({ passed: chunk('a'), isError: true });
  });

  it('says which event reports the error, also where the stream ends without the empty line behind it', () => {
    const error = 'data: {"error":{"message":"too long","code":400}}\n';
    const scanner = new UsageScanner(true);
    scanner.push(Buffer.from(chunk('a') + error));
    expect(scanner.finish()).toMatchObject({ isError: true, error: Buffer.from(error) });
    expect(new UsageScanner(true).push(Buffer.from(`${chunk('a')}${error}\n`)).error?.toString()).toBe(`${error}\n`);
  });

  it.each([
    [
      'of which nothing is said',
      event({ error: { message: '', code: null }, choices: [{ index: 0, delta: { content: 'x' } }] }),
    ],
    ['null', event({ error: null, choices: [{ index: 0, delta: { content: 'x' } }] })],
    ['of a tool', event({ choices: [{ index: 0, delta: { annotations: [{ error: { message: 'x' } }] } }] })],
  ])('passes an error on that is none of the call: %s', (_what, passed) => {
    expect(scan([Buffer.from(`${passed}data: [DONE]\n\n`)])).toMatchObject({ passed, isDone: true, isError: false });
  });

  it('takes no longer for a text that is full of [DONE]', () => {
    const text = chunk('[DONE]'.repeat(300_000));
    const startedAt = process.cpuUsage();
    expect(scan([Buffer.from(`${text}data: [DONE]\n\n`)])).toMatchObject({ passed: text, isDone: true });
    expect(process.cpuUsage(startedAt).user).toBeLessThan(2_000_000);
  });

  it('withholds [DONE] that has no blank before it', () => {
    const text = `${chunk('a')}data:[DONE]\n\n`;
    expect(scan([Buffer.from(text)])).toMatchObject({ passed: chunk('a'), isDone: true });
  });

  it('takes a stream for whole that says why the model stopped, without [DONE] and without usage', () => {
    const stop = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    expect(scan([Buffer.from(chunk('a') + stop)])).toMatchObject({ passed: chunk('a') + stop, isError: false });
  });

  it.each([
    ['after a whole event', ''],
    ['inside an event', 'data: {"id":"c","choices":[{"index":0,"del'],
    ['after reasons that are empty', event({ choices: [{ index: 0, delta: { content: 'b' }, finish_reason: '' }] })],
    ['after usage so far', event({ choices: [{ index: 0, delta: { content: 'b' } }], usage: USAGE })],
  ])('takes a stream for cut that is closed %s without any end', (_where, rest) => {
    const scanned = scan([Buffer.from(chunk('a') + rest)]);
    expect(scanned.isError).toBe(true);
    expect(scanned.passed.endsWith('\n\n')).toBe(true);
  });

  it.each([
    '"usage":{"prompt_tokens":1000000}',
    'data: [DONE]\n\n',
    '\n\ndata: {"usage":{"prompt_tokens":5}}\n\n',
    '"usage": {',
    'data: {"error":{"message":"x"}}',
  ])('is not fooled by model output %j', (content) => {
    const text = `${chunk(content)}${usageEvent}data: [DONE]\n\n`;
    expect(scan([Buffer.from(text)])).toEqual({
      passed: chunk(content),
      usage: USAGE,
      events: 1,
      isDone: true,
      isError: false,
    });
  });

  it('gives the same result however the stream is cut into chunks', () => {
    const contents = fc.array(
      fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('"usage":{', 'data: [DONE]\n\n', '\r\n\r\n', '\\"usage\\":{')),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(
        fc.record({ texts: contents, keeps: fc.boolean(), hasDone: fc.boolean(), cuts: fc.array(fc.nat(), { maxLength: 12 }) }),
        ({ texts, keeps, hasDone, cuts }) => {
          const text = texts.map(chunk).join('') + usageEvent + (hasDone ? 'data: [DONE]\n\n' : '');
          const bytes = Buffer.from(text);
          const whole = scan([bytes], keeps);
          expect(scan(cutAt(bytes, cuts), keeps)).toEqual(whole);
          expect(whole).toEqual({
            passed: texts.map(chunk).join('') + (keeps ? usageEvent : ''),
            usage: USAGE,
            events: texts.length + (keeps ? 1 : 0),
            isDone: hasDone,
            isError: false,
          });
        },
      ),
    );
  });
});
