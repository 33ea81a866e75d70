import type { BytePairs } from './byte-pairs.js';

/** What may end a word in English, in either case. */
const CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const BEFORE = String.raw`[^\r\n\p{L}\p{N}]?`;

/**
 * Where o200k_base cuts a text into words before it looks for pairs; every character is part of one. Spaces are Unicode's: those of
 * JavaScript (\s) are not the same.
 */
const WORD = new RegExp(
  [
    `${BEFORE}${UPPER}*${LOWER}+${CONTRACTION}`,
    `${BEFORE}${UPPER}+${LOWER}*${CONTRACTION}`,
    String.raw`\p{N}{1,3}`,
    String.raw` ?[^\p{White_Space}\p{L}\p{N}]+[\r\n/]*`,
    String.raw`\p{White_Space}*[\r\n]+`,
    String.raw`\p{White_Space}+(?!\P{White_Space})`,
    String.raw`\p{White_Space}+`,
  ].join('|'),
  'gu',
);

/** A text is cut into words piece by piece: of millions of characters in one word the pattern would run out of stack. */
const PIECE_CHARS_MAX = 1 << 20;

/**
 * Counts the tokens of texts as o200k_base does. Names of special tokens are text like any other: written out by a user they take
 * more tokens than the one that they name.
 */
export class TextTokens {
  private readonly pairs: BytePairs;
  private readonly pieceChars: number;
  private readonly encoder = new TextEncoder();

  /** The size of pieces is for tests. */
  constructor(pairs: BytePairs, pieceChars = PIECE_CHARS_MAX) {
    this.pairs = pairs;
    this.pieceChars = pieceChars;
  }

  count(text: string): number {
    let tokens = 0;
    for (let from = 0; from < text.length; ) {
      const to = this.pieceEnd(text, from);
      tokens += this.countPiece(text.slice(from, to));
      from = to;
    }
    return tokens;
  }

  /** Not between the halves of a pair. */
  private pieceEnd(text: string, from: number): number {
    const to = from + this.pieceChars;
    if (to >= text.length) return text.length;
    return (text.charCodeAt(to - 1) & 0xfc00) === 0xd800 ? to - 1 : to;
  }

  private countPiece(text: string): number {
    const bytes = this.encoder.encode(text);
    let tokens = 0;
    let begin = 0;
    let from = 0;
    WORD.lastIndex = 0;
    // Tested and not executed: a match would be an object per word, and only its end is asked for.
    while (WORD.test(text)) {
      const end = begin + utf8Length(text, from, WORD.lastIndex);
      tokens += this.pairs.count(bytes, begin, end);
      begin = end;
      from = WORD.lastIndex;
    }
    return tokens;
  }
}

/** Of the characters in `[from, to)`; a lone surrogate becomes a replacement character of three bytes. */
function utf8Length(text: string, from: number, to: number): number {
  let bytes = 0;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x80) bytes += 1;
    else if (code < 0x800) bytes += 2;
    else bytes += 3;
    // A pair takes four, and its second half has no part in that.
    if ((code & 0xfc00) === 0xd800 && at + 1 < to && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00) {
      bytes += 1;
      at++;
    }
  }
  return bytes;
}
