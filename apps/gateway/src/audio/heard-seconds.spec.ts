import { describe, expect, it } from '@jest/globals';
import { heardSeconds, secondsMax } from './heard-seconds.rules.js';
import type { TranscriptionFormat } from './transcriptions-request.js';

function heard(format: TranscriptionFormat, text: string, fileBytes = 1_000): number {
  return heardSeconds({ text, format, fileBytes });
}

describe('how long a recording was', () => {
  it('is at most its bytes at the lowest rate in use', () => {
    expect([0, 1, 500, 501].map(secondsMax)).toEqual([0, 1, 1, 2]);
  });

  it('is at least what its text takes to say', () => {
    expect(heard('text', `${'x'.repeat(299)}\n`)).toBe(9);
    expect(heard('json', 'x'.repeat(300))).toBe(10);
    expect(heard('text', '')).toBe(0);
  });

  it('is at least what lies before its last cue', () => {
    const srt = '1\n00:00:00,000 --> 00:00:02,000\na\n\n2\n00:01:02,900 --> 00:01:05,000\nb --> c\n';
    expect(heard('srt', srt)).toBe(62);
    expect(heard('vtt', 'WEBVTT\n\n00:00.000 --> 00:02.000\na\n\n01:00:03.000 --> 01:00:05.000\nb\n')).toBe(3_603);
    expect(heard('srt', 'nothing')).toBe(0);
  });

  it('is at least what its size takes to play', () => {
    expect(heard('text', '', 5_760_000)).toBe(10);
  });
});
