import { describe, expect, it } from '@jest/globals';
import { FrameReader, StreamClock } from './stream-frames.js';

const chunk = (delta: string, finish = 'null') =>
  `data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}]}\n\n`;
const ROLE = chunk('{"role":"assistant","content":"","refusal":null}');
const CONTENT = chunk('{"content":" word"}');
/** As the simulator sends it: all of it in one write straight after the last chunk. */
const ENDING = `${chunk('{}', '"stop"')}data: [DONE]\n\n`;
const STALL_MS = 500;

describe('the frames of a stream', () => {
  it('are content only when they carry text: not the role, not the end of the choice, not [DONE]', () => {
    const reader = new FrameReader();
    const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n';
    expect(reader.read(Buffer.from(head + ROLE + CONTENT))).toEqual({ frames: 2, contents: 1, isDone: false });
    expect(reader.read(Buffer.from(ENDING))).toEqual({ frames: 2, contents: 0, isDone: true });
  });

  it('are found in any JSON spacing, and comments that keep a stream alive are none', () => {
    const spaced = 'data: {"choices": [{"delta": {"role": "assistant", "content": "one"}}]}\n\n';
    expect(new FrameReader().read(Buffer.from(`: ping\n\n${spaced}`))).toEqual({ frames: 1, contents: 1, isDone: false });
  });

  it('are counted once wherever the socket cuts them', () => {
    const bytes = Buffer.from(ROLE + CONTENT + CONTENT + ENDING);
    for (let cut = 1; cut < bytes.length; cut++) {
      const reader = new FrameReader();
      const [first, second] = [reader.read(bytes.subarray(0, cut)), reader.read(bytes.subarray(cut))];
      expect(first.frames + second.frames).toBe(5);
      expect(first.contents + second.contents).toBe(2);
      expect(first.isDone || second.isDone).toBe(true);
    }
  });
});

describe('the pace of a stream', () => {
  it('is that between content chunks alone: what ends the stream at once after the last is no gap', () => {
    const clock = new StreamClock(1_000, STALL_MS);
    clock.note({ frames: 2, contents: 1, isDone: false }, 1_005);
    clock.note({ frames: 1, contents: 1, isDone: false }, 1_025);
    clock.note({ frames: 1, contents: 1, isDone: false }, 1_046);
    clock.note({ frames: 2, contents: 0, isDone: true }, 1_046.1);
    expect(clock).toMatchObject({ firstTokenMs: 5, gapsMs: [20, 21], frames: 6, stalls: 0, isDone: true });
  });

  it('shows chunks that were held back and came together', () => {
    const clock = new StreamClock(0, STALL_MS);
    clock.note({ frames: 1, contents: 1, isDone: false }, 0);
    clock.note({ frames: 2, contents: 2, isDone: false }, 40);
    expect(clock.gapsMs).toEqual([40, 0]);
  });

  it('counts a wait for any frame as a stall, the last one too', () => {
    const clock = new StreamClock(0, STALL_MS);
    clock.note({ frames: 1, contents: 1, isDone: false }, 600);
    clock.note({ frames: 0, contents: 0, isDone: false }, 1_500);
    clock.note({ frames: 2, contents: 0, isDone: true }, 1_600);
    expect(clock).toMatchObject({ stalls: 1, gapsMs: [] });
  });
});
