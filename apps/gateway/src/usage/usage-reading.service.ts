import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { Usage } from '@tensorloop/contracts/usage';
import { pricedDimensions } from '@tensorloop/pricing/price-version';
import type { AnswerReading, RawUsage, WholeAnswer } from './answer-reading.types.js';

/** An answer that is an error: whatever it says was used, nothing is charged. */
export const FAILURE: WholeAnswer = { usage: null, isFailure: true };

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

/** Where answers have what was asked for. */
const OUTPUT_FIELDS = ['choices', 'data', 'results', 'output', 'content', 'text'];

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

/** Some providers answer with status 200 and say in the body that they failed. An `error` of which nothing is said is none. */
export function reportsError({ error }: Record<string, unknown>): boolean {
  return typeof error === 'object' && error !== null
    ? !Object.values(error).every(isEmpty)
    : typeof error === 'string' && error !== '';
}

/** It reports an error and holds nothing of what was asked for: that is no answer, whatever it says was used. */
export function isFailure(answer: Record<string, unknown>): boolean {
  return reportsError(answer) && OUTPUT_FIELDS.every((name) => isEmpty(answer[name]));
}

/** The same of a body that is no JSON when all is well: sound, plain text. */
export function isJsonFailure(body: Buffer, contentType: string): boolean {
  const answer = contentType.includes('json') ? readJson(body) : null;
  return answer !== null && isFailure(answer);
}

/** A whole JSON answer with `usage` at its top, as most of OpenAI's endpoints have it. */
export function readJsonAnswer(body: Buffer): WholeAnswer | null {
  const answer = readJson(body);
  if (answer === null) return null;
  const { usage } = answer;
  if (isFailure(answer)) return FAILURE;
  return { usage: typeof usage === 'object' && usage !== null ? (usage as RawUsage) : null };
}

/** A count of ours in priced dimensions; zeros are left out. */
export function countedUsage(inputTokens: number, outputTokens: number): Usage {
  return { ...(inputTokens > 0 ? { input: inputTokens } : {}), ...(outputTokens > 0 ? { output: outputTokens } : {}) };
}
