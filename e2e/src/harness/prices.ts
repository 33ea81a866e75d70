/**
 * Prices the tests expect, in nano-USD per token, written out once more: USD per million × 1,000. A test that asked the
 * product for the price could not notice that the product has it wrong.
 */
const NANO_USD_PER_TOKEN: Record<string, { input: bigint; cached: bigint; output: bigint }> = {
  'gpt-4o-mini': { input: 150n, cached: 75n, output: 600n },
  'gpt-4o': { input: 2_500n, cached: 1_250n, output: 10_000n },
  'llama-3.3-70b': { input: 200n, cached: 200n, output: 600n },
};

export interface PricedTokens {
  prompt: number;
  /** Part of `prompt`. */
  cached?: number;
  completion: number;
}

export function priceOf(model: string, { prompt, cached = 0, completion }: PricedTokens): bigint {
  const price = NANO_USD_PER_TOKEN[model];
  if (!price) throw new Error(`the tests know no price of ${model}`);
  return BigInt(prompt - cached) * price.input + BigInt(cached) * price.cached + BigInt(completion) * price.output;
}
