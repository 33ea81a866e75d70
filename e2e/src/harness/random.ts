/**
 * The same numbers in every run, so that a proof that fails can be run again. xorshift32 (Marsaglia 2003): each result is
 * in [0, 1).
 */
export function seededRandom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
