import type { Call } from '../calls/call.js';
import type { CallPlan, CallRequest, EndpointPlanner } from '../calls/calls.types.js';
import { type Body, integerField, isFailure, missing, readCommonFields, wrongType } from '../calls/request-fields.js';
import { Prompt, planTokens, type TokenPlan } from '../calls/token-plan.js';
import { answerWhole } from '../calls/whole-answer.js';
import { type Failure, failureBody, invalidRequest } from '../server/openai-error.js';

const IMAGES_MAX = 10;
/** Models that report tokens; the others are billed by the picture. */
const TOKEN_MODELS = /^gpt-image/;
/** A side above this makes a picture a large one. */
const SIDE_PIXELS_MAX = 1_024;
const FINE_QUALITIES = ['hd', 'high', 'xhigh', 'max', 'auto'];
/** One pixel, transparent. */
const PNG_BASE64 = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=';

type PictureKind = 'image' | 'image_large' | 'image_hd' | 'image_hd_large';

interface ImagesPlan {
  model: string;
  sim: CallPlan['sim'];
  count: number;
  /** Under which the pictures are billed. */
  kind: PictureKind;
  isUrl: boolean;
  /** With `completionTokens` of each picture. */
  tokens: TokenPlan;
}

export const imagesPlanner: EndpointPlanner = {
  endpoint: 'images.generations',
  failureBody,
  plan({ bytes, deployment }: CallRequest): CallPlan | Failure {
    const fields = readCommonFields(bytes, deployment);
    if (isFailure(fields)) return fields;
    const { body, model, sim, stream } = fields;
    if (stream) return invalidRequest('pictures are not streamed here', 'stream');
    if (body.prompt === undefined) return missing('prompt');
    if (typeof body.prompt !== 'string') return wrongType('prompt', 'a string');
    const count = integerField(body, 'n', IMAGES_MAX);
    if (typeof count === 'object') return count;
    const prompt = new Prompt(model);
    prompt.add(body.prompt);
    const tokens = planTokens(sim, prompt, { limit: Number.POSITIVE_INFINITY, bodyBytes: bytes.length });
    if (isFailure(tokens)) return tokens;
    const plan = { model, sim, count: count ?? 1, kind: kindOf(body), isUrl: body.response_format === 'url', tokens };
    return { model, stream: false, sim, answer: (call) => answer(call, plan) };
  },
};

/** As DALL·E's price list has them; what is left to this provider ("auto") is the dearest. */
function kindOf({ size, quality }: Body): PictureKind {
  const sides = String(size ?? '1024x1024')
    .split('x')
    .map(Number);
  const isLarge = sides.length !== 2 || sides.some((side) => !(side <= SIDE_PIXELS_MAX));
  const isFine = FINE_QUALITIES.includes(String(quality ?? 'standard'));
  if (isFine) return isLarge ? 'image_hd_large' : 'image_hd';
  return isLarge ? 'image_large' : 'image';
}

function answer(call: Call, { model, sim, count, kind, isUrl, tokens }: ImagesPlan): Promise<void> {
  const hasTokens = TOKEN_MODELS.test(model);
  const made = tokens.completionTokens * count;
  if (hasTokens) {
    call.serveTokens(tokens, count);
    call.units.output_image = made;
  }
  call.units[kind] = count;
  const hasUsage = hasTokens && sim.fault !== 'no_usage';
  const usage = {
    input_tokens: tokens.promptTokens,
    input_tokens_details: { text_tokens: tokens.promptTokens, image_tokens: 0 },
    output_tokens: made,
    total_tokens: tokens.promptTokens + made,
  };
  const image = isUrl ? { url: `https://images.invalid/${call.id}.png` } : { b64_json: PNG_BASE64 };
  const created = Math.floor(call.record.startedAtMs / 1_000);
  const body = JSON.stringify({ created, data: Array.from({ length: count }, () => image), ...(hasUsage ? { usage } : {}) });
  return answerWhole(call, { sim, contentType: 'application/json', body, hasUsage });
}
