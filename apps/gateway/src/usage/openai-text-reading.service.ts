import { normaliseOpenAiUsage } from '@tensorloop/pricing/openai-usage';
import type { AnswerReading, TextFormat } from './answer-reading.types.js';
import { readJsonAnswer } from './usage-reading.service.js';
import { UsageScanner } from './usage-scanner.service.js';

/** How texts in OpenAI's first format are read: with the event of usage for a client that asked for it, and without. */
export function openAiTextReading(textFormat: TextFormat): (wantsUsage: boolean) => AnswerReading {
  const readingOf = (keepsUsageEvent: boolean): AnswerReading => ({
    readWhole: readJsonAnswer,
    newScanner: () => new UsageScanner(keepsUsageEvent),
    normalise: normaliseOpenAiUsage,
    textFormat,
  });
  const [withUsage, withoutUsage] = [readingOf(true), readingOf(false)];
  return (wantsUsage) => (wantsUsage ? withUsage : withoutUsage);
}
