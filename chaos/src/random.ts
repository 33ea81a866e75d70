/** Numbers that a seed decides, so that a run can be repeated. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number;
  pick<Item>(items: readonly Item[]): Item;
  /** True in that share of cases. */
  chance(share: number): boolean;
  /** Numbers of their own: what one part draws does not move what another one draws. */
  fork(name: string): Random;
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** The first results of neighbouring seeds are alike. */
const WARM_UP = 8;

/** FNV-1a. */
function hash(text: string): number {
  let value = FNV_OFFSET;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), FNV_PRIME);
  return value >>> 0;
}

/** xorshift32 (Marsaglia 2003). */
export function seeded(seed: number | string): Random {
  const root = hash(String(seed));
  let state = root || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let round = 0; round < WARM_UP; round++) next();
  const between = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    between,
    pick: (items) => {
      const item = items[between(0, items.length - 1)];
      if (item === undefined) throw new Error('there is nothing to pick from');
      return item;
    },
    chance: (share) => next() < share,
    fork: (name) => seeded(`${seed}/${name}`),
  };
}
