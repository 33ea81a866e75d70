/** Direction by the seed, length 1 in single precision: the same text always lies at the same place. */
export function unitVector(seed: number, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  // xorshift32 (Marsaglia 2003) never leaves 0, so it must not begin there.
  let state = seed === 0 ? 1 : seed;
  let square = 0;
  for (let index = 0; index < dimensions; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const value = state / 2 ** 31;
    vector[index] = value;
    square += value * value;
  }
  const length = Math.sqrt(square);
  return vector.map((value) => value / length);
}
