import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { refusalSchema, refusedModel } from './request-refused.js';

describe('the model that a refused call named', () => {
  it.each([
    ['as it is', 'gpt-4o-mini', 'gpt-4o-mini'],
    ['in any script', 'größer 👩‍👧', 'größer 👩‍👧'],
    ['without NUL', 'x\u0000', 'x\ufffd'],
    ['without control characters', '\u001b[31mx\u007f\u009b', '\ufffd[31mx\ufffd\ufffd'],
    ['without half a pair', 'x\ud800y\udc00', 'x\ufffdy\ufffd'],
    ['cut before a pair that does not fit', `${'x'.repeat(127)}😀`, 'x'.repeat(127)],
    ['cut behind a pair that fits', `${'x'.repeat(126)}😀y`, `${'x'.repeat(126)}😀`],
  ])('is told %s', (_, text, told) => {
    expect(refusedModel(text)).toBe(told);
    expect(refusalSchema.shape.model.parse(text)).toBe(told);
  });

  it('of any text can be written down, and stays what it is when it is told on', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)), maxLength: 300 }),
        (text) => {
          const told = refusedModel(text);
          return told.isWellFormed() && told.length <= 128 && !/\p{Cc}/u.test(told) && refusedModel(told) === told;
        },
      ),
    );
  });
});
