/**
 * Deterministic answer text in which one word stands for one token. The words carry nothing that JSON would escape, so
 * a slice of one long string, prepared once, is an answer of any length for the cost of a slice.
 */
const WORDS =
  'the a model reads each word and sends its answer back to whoever asked while some other part of the system counts what was sent in order that nobody has to believe it'.split(
    ' ',
  );
const CORPUS_TOKENS = 8_192;

/** offsets[i] = where token i begins in `corpus`; one extra entry for the end. */
const offsets = new Uint32Array(CORPUS_TOKENS + 1);
const corpus = buildCorpus();

function buildCorpus(): string {
  let text = '';
  let state = 0x9e3779b9;
  for (let index = 0; index < CORPUS_TOKENS; index++) {
    offsets[index] = text.length;
    // xorshift32 (Marsaglia 2003): the corpus is the same in every process.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    text += ` ${WORDS[(state >>> 0) % WORDS.length]}`;
  }
  offsets[CORPUS_TOKENS] = text.length;
  return text;
}

/** The text of tokens [from, to) of the answer that belongs to `seed`. */
export function answerText(seed: number, from: number, to: number): string {
  let text = '';
  let position = (seed + from) % CORPUS_TOKENS;
  let left = to - from;
  while (left > 0) {
    const count = Math.min(left, CORPUS_TOKENS - position);
    text += corpus.slice(offsets[position], offsets[position + count]);
    left -= count;
    position = 0;
  }
  return text;
}
