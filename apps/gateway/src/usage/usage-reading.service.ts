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

/** A whole answer's JSON object, or null when it is none. */
export function readJson(body: Buffer): Record<string, unknown> | null {
  try {
    const answer: unknown = JSON.parse(body.toString('utf8'));
    return typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** A whole JSON answer with `usage` at its top, as most of OpenAI's endpoints have it. */
export function readJsonAnswer(body: Buffer): { usage: RawUsage | null } | null {
  const answer = readJson(body);
  if (answer === null) return null;
  const { usage } = answer;
  return { usage: typeof usage === 'object' && usage !== null ? (usage as RawUsage) : null };
}

/** A count of ours in priced dimensions; zeros are left out. */
export function countedUsage(inputTokens: number, outputTokens: number): Usage {
  return { ...(inputTokens > 0 ? { input: inputTokens } : {}), ...(outputTokens > 0 ? { output: outputTokens } : {}) };
}
