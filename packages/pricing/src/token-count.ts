/** Above this a count is no measurement; the contract refuses it too. */
export const TOKENS_MAX = 1_000_000_000;

export function isTokenCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= TOKENS_MAX;
}
