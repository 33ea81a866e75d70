import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeFrames, encodeFrame, PAYLOAD_BYTES_MAX, RECORD_TYPES, type RecordType } from './frame.js';

const types = Object.keys(RECORD_TYPES) as RecordType[];
const records = fc.array(fc.record({ type: fc.constantFrom(...types), payload: fc.string({ unit: 'grapheme' }) }), {
  maxLength: 20,
});

describe('journal frames', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(records, (written) => {
        const bytes = Buffer.concat(written.map(({ type, payload }) => encodeFrame(type, payload)));
        expect(decodeFrames(bytes).map(({ type, payload }) => ({ type, payload }))).toEqual(written);
      }),
    );
  });

  it('cut at any byte give exactly the records that were whole', () => {
    fc.assert(
      fc.property(records, fc.nat(), (written, cut) => {
        const frames = written.map(({ type, payload }) => encodeFrame(type, payload));
        const bytes = Buffer.concat(frames);
        const end = bytes.length === 0 ? 0 : cut % (bytes.length + 1);
        let whole = 0;
        for (let at = 0; whole < frames.length; whole++) {
          at += (frames[whole] as Buffer).length;
          if (at > end) break;
        }
        expect(decodeFrames(bytes.subarray(0, end))).toHaveLength(whole);
      }),
    );
  });

  it('with any single byte changed give a prefix of what was written, never another record', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.integer({ min: 1, max: 255 }), (written, position, change) => {
        const bytes = Buffer.concat(written.map(({ type, payload }) => encodeFrame(type, payload)));
        fc.pre(bytes.length > 0);
        const at = position % bytes.length;
        bytes[at] = (bytes[at] as number) ^ change;
        const read = decodeFrames(bytes).map(({ type, payload }) => ({ type, payload }));
        expect(read).toEqual(written.slice(0, read.length));
        expect(read.length).toBeLessThan(written.length);
      }),
    );
  });

  it('refuse a payload that could not be read back', () => {
    expect(() => encodeFrame('completed', 'x'.repeat(PAYLOAD_BYTES_MAX + 1))).toThrow(RangeError);
  });
});
