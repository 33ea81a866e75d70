import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { BodyPieces } from './body-pieces.js';
import { BODY_BYTES_MAX } from './request-bodies.js';

const KIBIBYTE = 1024;

function piecesOf(body: Buffer, size: number): Buffer[] {
  const count = Math.ceil(body.length / size);
  return Array.from({ length: count }, (_, index) => body.subarray(index * size, (index + 1) * size));
}

describe('the pieces of a body (spec TL-8)', () => {
  it.each([
    ['none', 0, 1],
    ['one', 100, 100],
    ['single bytes', 5_000, 1],
    ['single bytes, joined to the last', 1_024, 1],
    ['of odd sizes', 100_001, 977],
  ])('give the body again: %s', (_name, length, size) => {
    const body = randomBytes(length);
    const pieces = new BodyPieces();
    for (const piece of piecesOf(body, size)) pieces.push(piece);
    expect(pieces.bytes).toBe(length);
    expect(pieces.take().equals(body)).toBe(true);
    expect([pieces.count, pieces.bytes]).toEqual([0, 0]);
  });

  it('stay few, however small they come', () => {
    const pieces = new BodyPieces();
    const piece = randomBytes(1);
    for (let byte = 0; byte < 256 * KIBIBYTE; byte++) pieces.push(piece);
    // As they came, and one for each 16 kB.
    expect(pieces.count).toBe(16 + 16);
  });

  it('keep their order and stay few where large ones come between', () => {
    const pieces = new BodyPieces();
    const sent: Buffer[] = [];
    for (let round = 0; round < 200; round++) for (const bytes of [1, 0, 1_023, 1_024, 3]) sent.push(randomBytes(bytes));
    for (const piece of sent) pieces.push(piece);
    expect(pieces.count).toBeLessThanOrEqual(16 + 2 * 200 + 30);
    expect(pieces.take().equals(Buffer.concat(sent))).toBe(true);
  });

  it('are not copied twice where they come as large as a socket gives them', () => {
    const pieces = new BodyPieces();
    const piece = Buffer.alloc(64 * KIBIBYTE);
    for (let byte = 0; byte + piece.length < BODY_BYTES_MAX; byte += piece.length) pieces.push(piece);
    expect(pieces.count).toBe(BODY_BYTES_MAX / piece.length - 1);
  });
});
