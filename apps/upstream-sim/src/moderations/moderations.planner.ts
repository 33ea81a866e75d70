import type { Call } from '../calls/call.js';
import type { CallPlan, CallRequest, EndpointPlanner } from '../calls/calls.types.js';
import { isFailure, missing, readCommonFields, wrongType } from '../calls/request-fields.js';
import { Prompt, planInputTokens, type TokenPlan } from '../calls/token-plan.js';
import { answerWhole } from '../calls/whole-answer.js';
import { type Failure, failureBody } from '../server/openai-error.js';

const CATEGORIES = [
  'harassment',
  'harassment/threatening',
  'hate',
  'hate/threatening',
  'illicit',
  'illicit/violent',
  'self-harm',
  'self-harm/instructions',
  'self-harm/intent',
  'sexual',
  'sexual/minors',
  'violence',
  'violence/graphic',
];
/** The one word that this simulator minds. */
const FLAGGED_WORD = 'violence';
const SCORE_FLAGGED = 0.99;
const SCORE_OTHERWISE = 0.01;

/** OpenAI's moderations report no usage, so the record says what was read and that nothing was reported. */
export const moderationsPlanner: EndpointPlanner = {
  endpoint: 'moderations',
  failureBody,
  plan({ bytes, deployment }: CallRequest): CallPlan | Failure {
    const fields = readCommonFields(bytes, deployment);
    if (isFailure(fields)) return fields;
    const { body, model, sim } = fields;
    if (body.input === undefined || body.input === null) return missing('input');
    const texts = readTexts(body.input);
    if (texts === null) return wrongType('input', 'a string or an array');
    const prompt = new Prompt(model);
    for (const text of texts) prompt.add(text);
    const tokens = planInputTokens(sim, prompt, bytes.length);
    if (isFailure(tokens)) return tokens;
    return { model, stream: false, sim, answer: (call) => answer(call, { tokens, texts, model }, sim) };
  },
};

/** One result per text; parts of several kinds are one input together. */
function readTexts(input: unknown): string[] | null {
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input) || input.length === 0) return null;
  if (input.every((one) => typeof one === 'string')) return input;
  const parts = input.map((part) => (part as { text?: unknown } | null)?.text);
  return [parts.filter((text) => typeof text === 'string').join(' ')];
}

interface Moderated {
  tokens: TokenPlan;
  texts: string[];
  model: string;
}

function answer(call: Call, { tokens, texts, model }: Moderated, sim: CallPlan['sim']): Promise<void> {
  call.serveTokens(tokens, 1);
  const results = texts.map((text) => {
    const flagged = text.includes(FLAGGED_WORD);
    const ofEach = <T>(value: (category: string) => T) =>
      Object.fromEntries(CATEGORIES.map((category) => [category, value(category)]));
    const isHit = (category: string) => flagged && category === FLAGGED_WORD;
    return {
      flagged,
      categories: ofEach(isHit),
      category_scores: ofEach((category) => (isHit(category) ? SCORE_FLAGGED : SCORE_OTHERWISE)),
      category_applied_input_types: ofEach(() => ['text']),
    };
  });
  const body = JSON.stringify({ id: `modr-${call.id}`, model, results });
  return answerWhole(call, { sim, contentType: 'application/json', body, hasUsage: false });
}
