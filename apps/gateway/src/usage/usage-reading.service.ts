import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { Usage } from '@tensorloop/contracts/usage';
import { normaliseOpenAiUsage } from '@tensorloop/pricing/openai-usage';
import { pricedDimensions } from '@tensorloop/pricing/price-version';
import type { RawUsage } from './usage-scanner.service.js';

/** The upstream's usage in priced dimensions, or null when it sent none or numbers that contradict each other. */
export function readUsage(raw: RawUsage | null, price: PriceVersion): Usage | null {
  if (raw === null) return null;
  const normalised = normaliseOpenAiUsage(raw, pricedDimensions(price));
  return 'usage' in normalised ? normalised.usage : null;
}

/** A count of ours in priced dimensions; zeros are left out. */
export function countedUsage(inputTokens: number, outputTokens: number): Usage {
  return { ...(inputTokens > 0 ? { input: inputTokens } : {}), ...(outputTokens > 0 ? { output: outputTokens } : {}) };
}
