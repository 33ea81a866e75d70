import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { TokenRanks } from './token-ranks.js';

const folder = makeTestFolder('ranks');
afterAll(() => removeTestFolder(folder));

function ranksOf(text: string): TokenRanks {
  const path = join(folder, 'ranks.tiktoken');
  writeFileSync(path, text);
  return new TokenRanks(path);
}

function linesOf(tokens: Buffer[]): string {
  return tokens.map((token, rank) => `${token.toString('base64')} ${rank}\n`).join('');
}

describe('token ranks', () => {
  it('are found by the bytes of a token, wherever those stand, and by no others', () => {
    // Every length of Base64's padding, and far more lines than are read at a time.
    const tokens = Array.from({ length: 30_000 }, (_, at) => Buffer.from(`${at}${'#'.repeat(at % 3)}`));
    const ranks = ranksOf(linesOf(tokens));
    expect(ranks.size).toBe(tokens.length);
    const found: number[] = [];
    for (const token of tokens) {
      const among = Buffer.concat([Buffer.from('x'), token, Buffer.from('y')]);
      found.push(ranks.rankOf(among, 1, 1 + token.length));
      if (ranks.rankOf(among, 0, 1 + token.length) >= 0) throw new Error(`${among} is no token`);
    }
    expect(found).toEqual([...tokens.keys()]);
  });

  it('of bytes that are no text are found too', () => {
    const tokens = [Buffer.from([0xff]), Buffer.from([0xff, 0xfe]), Buffer.from([0, 0])];
    const ranks = ranksOf(linesOf(tokens));
    expect(tokens.map((token) => ranks.rankOf(token, 0, token.length))).toEqual([0, 1, 2]);
  });

  it('that are not one after the other are refused, with the first that is not', () => {
    expect(() => ranksOf('YQ== 0\nYg== 2\n')).toThrow('token 1 of the encoding has rank 2');
  });

  it('that are more than the table takes are refused', () => {
    const tokens = Array.from({ length: (1 << 18) + 1 }, (_, at) => Buffer.from(`${at}`));
    expect(() => ranksOf(linesOf(tokens))).toThrow('the encoding has more than 262144 tokens');
  });
});
