import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MessagesScanner } from './messages-scanner.types.js';

function event(name: string, data: object, lineEnd = '\n'): string {
  return `event: ${name}${lineEnd}data: ${JSON.stringify({ type: name, ...data })}${lineEnd}${lineEnd}`;
}

const START = {
  message: {
    id: 'msg_1',
    usage: { input_tokens: 25, cache_read_input_tokens: 10, cache_creation_input_tokens: 5, output_tokens: 1 },
  },
};

function delta(text: string): string {
  return event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });
}

const WHOLE = [
  event('message_start', START),
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  event('ping', {}),
  delta('Hel'),
  delta('event: message_stop\n\nevent: error\n\n"usage":{"input_tokens":0}'),
  event('content_block_stop', { index: 0 }),
  event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 15, input_tokens: null } }),
];
const STOP = event('message_stop', {});

/** What passes, and what ends it, when the text arrives in these pieces. */
function scan(pieces: Buffer[]) {
  const scanner = new MessagesScanner();
  const seen = { passed: '', ending: null as string | null, isError: false };
  const note = ({ bytes, ending, isError }: ReturnType<MessagesScanner['push']>) => {
    seen.passed += bytes.toString();
    seen.ending ??= ending?.toString() ?? null;
    seen.isError ||= isError;
  };
  for (const piece of pieces) {
    note(scanner.push(piece));
    if (seen.ending !== null || seen.isError) return { ...seen, scanner };
  }
  note(scanner.finish());
  return { ...seen, scanner };
}

const USAGE = { input_tokens: 25, cache_read_input_tokens: 10, cache_creation_input_tokens: 5, output_tokens: 15 };

describe('a stream of the Messages API', () => {
  it('passes byte for byte, its end withheld, and its usage is the start’s with the last counts', () => {
    const { scanner, ...seen } = scan([Buffer.from(WHOLE.join('') + STOP)]);
    expect(seen).toEqual({ passed: WHOLE.join(''), ending: STOP, isError: false });
    expect(scanner.usage).toEqual(USAGE);
    expect(scanner.events).toBe(2);
  });

  it('is read the same however it is cut into chunks', () => {
    const bytes = Buffer.from(WHOLE.join('') + STOP);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
        const bounds = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        const { scanner, ...seen } = scan(bounds.slice(1).map((to, index) => bytes.subarray(bounds[index], to)));
        expect(seen).toEqual({ passed: WHOLE.join(''), ending: STOP, isError: false });
        expect(scanner.usage).toEqual(USAGE);
      }),
    );
  });

  it('may end its lines as DOS does, name its events without a blank, and carry comments', () => {
    const stop = 'id: 7\nevent:message_stop\ndata: {"type":"message_stop"}\n\n';
    const text = `: hello\n\n${event('message_start', START, '\r\n')}`;
    expect(scan([Buffer.from(text + stop)])).toMatchObject({ passed: text, ending: stop, isError: false });
  });

  it('that reports an error is broken from there on', () => {
    const broken = event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } });
    expect(scan([Buffer.from(delta('a') + broken + delta('b'))])).toMatchObject({
      passed: delta('a'),
      ending: null,
      isError: true,
    });
  });

  it('says which event reports the error', () => {
    const broken = event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } });
    expect(new MessagesScanner().push(Buffer.from(delta('a') + broken)).error?.toString()).toBe(broken);
    const scanner = new MessagesScanner();
    scanner.push(Buffer.from(broken.trimEnd()));
    expect(scanner.finish()).toMatchObject({ isError: true, error: Buffer.from(broken.trimEnd()) });
  });

  it('that ends without message_stop was cut', () => {
    expect(scan([Buffer.from(WHOLE.join(''))])).toMatchObject({ passed: WHOLE.join(''), ending: null, isError: true });
    expect(scan([])).toMatchObject({ isError: true });
  });

  it('whose last event lacks its empty line is whole all the same', () => {
    const stop = 'event: message_stop\ndata: {"type":"message_stop"}';
    expect(scan([Buffer.from(WHOLE.join('') + stop)])).toMatchObject({ passed: WHOLE.join(''), ending: stop, isError: false });
  });
});
