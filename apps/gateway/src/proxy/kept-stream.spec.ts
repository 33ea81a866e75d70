import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { KEPT_BLOCK_BYTES, KeptBlocks } from './kept-blocks.js';
import { KEPT_BYTES_MAX, KeptStream } from './kept-stream.js';

/** [sizes of the chunks] */
const STREAMS: [name: string, sizes: number[]][] = [
  ['nothing', []],
  ['an empty chunk', [0]],
  ['small events', [200, 210, 190]],
  ['a block to the byte', [KEPT_BLOCK_BYTES]],
  ['a block to the byte in two, and one more', [KEPT_BLOCK_BYTES - 1, 1, 1]],
  ['a chunk over several blocks', [10, 3 * KEPT_BLOCK_BYTES, 5]],
  ['as much as may be', [KEPT_BYTES_MAX - 7, 7]],
];

describe('a kept stream (spec TL-16)', () => {
  it.each(STREAMS)('gives back what came: %s', (_name, sizes) => {
    const stock = new KeptBlocks(1_000);
    const chunks = sizes.map((size) => randomBytes(size));
    const stream = new KeptStream(stock);
    for (const chunk of chunks) stream.push(chunk);
    expect(stream.bytes()?.equals(Buffer.concat(chunks))).toBe(true);
    stream.release();
    expect([stock.blocksTaken, stream.bytes()]).toEqual([0, null]);
  });

  it('does not change with the chunk it was given', () => {
    const chunk = Buffer.from('first');
    const stream = new KeptStream(new KeptBlocks(1));
    stream.push(chunk);
    chunk.fill(0);
    expect(String(stream.bytes())).toBe('first');
  });

  it('is not kept once it is longer than allowed, and then uses no block', () => {
    const stock = new KeptBlocks(1_000);
    const stream = new KeptStream(stock);
    stream.push(randomBytes(KEPT_BYTES_MAX));
    stream.push(randomBytes(1));
    stream.push(randomBytes(1));
    expect([stream.bytes(), stock.blocksTaken]).toEqual([null, 0]);
  });

  it('is not kept where all blocks are in use, and leaves those of others alone', () => {
    const stock = new KeptBlocks(2);
    const [one, other] = [new KeptStream(stock), new KeptStream(stock)];
    one.push(Buffer.from('one'));
    other.push(randomBytes(KEPT_BLOCK_BYTES + 1));
    expect(stock.blocksTaken).toBe(2 - 1);
    expect([String(one.bytes()), other.bytes()]).toEqual(['one', null]);
  });

  it('gives its blocks back once, however often it is released', () => {
    const stock = new KeptBlocks(4);
    const [one, other] = [new KeptStream(stock), new KeptStream(stock)];
    one.push(Buffer.from('a'));
    other.push(Buffer.from('b'));
    one.release();
    one.release();
    expect(stock.blocksTaken).toBe(1);
  });

  it('uses blocks again, without what stood in them', () => {
    const stock = new KeptBlocks(1);
    const before = new KeptStream(stock);
    before.push(Buffer.from('a secret of another account'));
    before.release();
    const stream = new KeptStream(stock);
    stream.push(Buffer.from('hi'));
    expect(String(stream.bytes())).toBe('hi');
  });
});
