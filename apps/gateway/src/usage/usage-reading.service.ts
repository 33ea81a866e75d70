import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { Usage } from '@tensorloop/contracts/usage';
import { pricedDimensions } from '@tensorloop/pricing/price-version';
import type { AnswerReading, RawUsage } from './answer-reading.types.js';

/** The upstream's usage in priced dimensions, or null when it sent none or numbers that contradict each other. */
export function readUsage(reading: AnswerReading, raw: RawUsage | null, price: PriceVersion): Usage | null {
  if (raw === null) return null;
  const normalised = reading.normalise(raw, pricedDimensions(price));
  return 'usage' in normalised ? normalised.usage : null;
}

/** A whole JSON answer with `usage` at its top, as all of OpenAI's endpoints have it. */
export function readJsonAnswer(body: Buffer): { usage: RawUsage | null } | null {
  try {
    const answer: unknown = JSON.parse(body.toString('utf8'));
    if (typeof answer !== 'object' || answer === null) return null;
    const { usage } = answer as { usage?: unknown };
    return { usage: typeof usage === 'object' && usage !== null ? (usage as RawUsage) : null };
  } catch {
    return null;
  }
}

/** A count of ours in priced dimensions; zeros are left out. */
export function countedUsage(inputTokens: number, outputTokens: number): Usage {
  return { ...(inputTokens > 0 ? { input: inputTokens } : {}), ...(outputTokens > 0 ? { output: outputTokens } : {}) };
}
