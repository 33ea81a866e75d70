import { answerText } from '../calls/answer-text.js';
import type { Call } from '../calls/call.js';
import type { CallPlan, CallRequest, EndpointPlanner } from '../calls/calls.types.js';
import { isFailure, readModel } from '../calls/request-fields.js';
import { Prompt, planTokens, type TokenPlan } from '../calls/token-plan.js';
import { answerWhole } from '../calls/whole-answer.js';
import { parseXSim, type XSim } from '../faults/x-sim.js';
import { type Failure, failureBody, invalidRequest } from '../server/openai-error.js';
import { readForm } from './multipart.js';

/** 128 kbit/s, so that a file's size says how long it lasts. */
const BYTES_PER_SECOND = 16_000;
/** Nobody speaks faster: what is heard has as many words at most as its seconds allow, and one at least. */
const WORDS_PER_SECOND = 2;
const MS_PER_SECOND = 1_000;
/** Models that report tokens; the others are billed by the second. */
const TOKEN_MODELS = /transcribe/;
const FORMATS = ['json', 'verbose_json', 'text', 'srt', 'vtt'];

interface TranscriptionPlan {
  model: string;
  sim: XSim;
  seconds: number;
  format: string;
  tokens: TokenPlan;
  seed: number;
}

/** The only endpoint that is asked with a form. Instructions come as its field `x_sim`, or as the header `x-sim`. */
export const transcriptionsPlanner: EndpointPlanner = {
  endpoint: 'audio.transcriptions',
  failureBody,
  async plan(request: CallRequest): Promise<CallPlan | Failure> {
    const plan = await planTranscription(request);
    if (isFailure(plan)) return plan;
    return { model: plan.model, stream: false, sim: plan.sim, answer: (call) => answer(call, plan) };
  },
};

async function planTranscription(request: CallRequest): Promise<TranscriptionPlan | Failure> {
  const form = await readForm(request);
  if (!form) return invalidRequest('Could not parse multipart form', null);
  const file = form.get('file');
  if (!(file instanceof Blob))
    return invalidRequest("Missing required parameter: 'file'.", 'file', 'missing_required_parameter');
  const model = readModel(form.get('model') ?? request.deployment);
  if (isFailure(model)) return model;
  const format = form.get('response_format') ?? 'json';
  if (typeof format !== 'string' || !FORMATS.includes(format))
    return invalidRequest("Invalid 'response_format'.", 'response_format');
  if (form.get('stream') === 'true') return invalidRequest('transcriptions are not streamed here', 'stream');
  const sim = readSim(form.get('x_sim') ?? request.headers['x-sim']);
  if (isFailure(sim)) return sim;
  const prompt = new Prompt(model);
  const asked = form.get('prompt');
  if (typeof asked === 'string') prompt.add(asked);
  prompt.add(file.name);
  const tokens = planTokens(sim, prompt, { limit: Number.POSITIVE_INFINITY, bodyBytes: request.bytes.length });
  if (isFailure(tokens)) return tokens;
  return { model, sim, seconds: sim.audioSeconds ?? file.size / BYTES_PER_SECOND, format, tokens, seed: prompt.hash };
}

function readSim(text: unknown): XSim | Failure {
  if (typeof text !== 'string') return {};
  try {
    const parsed = parseXSim(JSON.parse(text));
    return 'problem' in parsed ? invalidRequest(parsed.problem, 'x_sim') : parsed.sim;
  } catch {
    return invalidRequest('x_sim: no JSON', 'x_sim');
  }
}

function answer(call: Call, plan: TranscriptionPlan): Promise<void> {
  const { tokens, seconds, sim } = plan;
  const hasTokens = TOKEN_MODELS.test(plan.model);
  call.units.audio_second = Math.ceil(seconds);
  if (hasTokens) {
    call.serveTokens(tokens, 1);
    call.units.input_audio = tokens.promptTokens;
  }
  const words = hasTokens ? tokens.completionTokens : Math.min(tokens.completionTokens, Math.ceil(seconds * WORDS_PER_SECOND));
  const text = answerText(plan.seed, 0, words).trim();
  const hasUsage = plan.format.endsWith('json') && sim.fault !== 'no_usage';
  const usage = hasUsage ? { usage: hasTokens ? tokenUsage(tokens) : { type: 'duration', seconds: Math.ceil(seconds) } } : {};
  switch (plan.format) {
    case 'json':
      return answerWhole(call, { sim, contentType: 'application/json', body: JSON.stringify({ text, ...usage }), hasUsage });
    case 'verbose_json': {
      const body = {
        task: 'transcribe',
        language: 'english',
        duration: seconds,
        text,
        segments: [segment(text, seconds)],
        ...usage,
      };
      return answerWhole(call, { sim, contentType: 'application/json', body: JSON.stringify(body), hasUsage });
    }
    default: {
      const body = plainAnswer(plan.format, text, seconds);
      return answerWhole(call, { sim, contentType: 'text/plain; charset=utf-8', body, hasUsage });
    }
  }
}

/** Text alone, or one subtitle from the beginning to the end. */
function plainAnswer(format: string, text: string, seconds: number): string {
  if (format === 'text') return `${text}\n`;
  const mark = format === 'srt' ? ',' : '.';
  const [from, to] = [clock(0, mark), clock(seconds, mark)];
  return format === 'srt' ? `1\n${from} --> ${to}\n${text}\n\n` : `WEBVTT\n\n${from} --> ${to}\n${text}\n\n`;
}

function clock(seconds: number, mark: string): string {
  const iso = new Date(Math.round(seconds * MS_PER_SECOND)).toISOString();
  return iso.slice(11, 23).replace('.', mark);
}

function tokenUsage({ promptTokens, completionTokens }: TokenPlan): object {
  return {
    type: 'tokens',
    input_tokens: promptTokens,
    input_token_details: { text_tokens: 0, audio_tokens: promptTokens },
    output_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

function segment(text: string, seconds: number): object {
  const figures = { temperature: 0, avg_logprob: -0.2, compression_ratio: 1.2, no_speech_prob: 0.01 };
  return { id: 0, seek: 0, start: 0, end: seconds, text, tokens: [], ...figures };
}
