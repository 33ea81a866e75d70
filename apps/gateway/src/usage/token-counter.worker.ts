import { createRequire } from 'node:module';
import { parentPort } from 'node:worker_threads';
import type { TextFormat } from './answer-reading.types.js';

export type TextPart = 'prompt' | 'answer' | 'stream';

/** One text to count, and which parts of it are text. */
export interface CountJob {
  id: number;
  kind: `${TextFormat}.${TextPart}`;
  bytes: Uint8Array;
}

/** Tests run this file from the sources, where no path ending in .js is to be found; so its neighbours import no other's values. */
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const besides = (name: string) => import(new URL(`./${name}.${extension}`, import.meta.url).href);
const { TokenRanks }: typeof import('./token-ranks.js') = await besides('token-ranks');
const { BytePairs }: typeof import('./byte-pairs.js') = await besides('byte-pairs');
const { TextTokens }: typeof import('./text-tokens.js') = await besides('text-tokens');
const { countPlainTexts }: typeof import('./plain-texts.js') = await besides('plain-texts');

const ranksFile = createRequire(import.meta.url).resolve('gpt-tokenizer/data/o200k_base.tiktoken');
const tokens = new TextTokens(new BytePairs(new TokenRanks(ranksFile)));
/** Of one job no more is counted: twice what the largest contexts take, and some seconds of this thread, for which others wait. */
const JOB_CHARS_MAX = 8 * 1024 * 1024;
let charsLeft = 0;

function countTokens(text: string): number {
  const counted = text.slice(0, charsLeft);
  charsLeft -= counted.length;
  return tokens.count(counted);
}

/** A chat body whose plain texts are to be counted for certain, not estimated. */
export interface ExactJob {
  id: number;
  kind: 'chat.exact';
  bytes: Uint8Array;
}

export interface CountResult {
  id: number;
  tokens: number;
  /** Of an exact count: the bytes of the texts that were counted. */
  textBytes?: number;
}

/** Per message and per answer OpenAI's chat template adds about three tokens. */
const TOKENS_PER_MESSAGE = 3;
const DATA_FIELD = /^data: ?/;

type Json = Record<string, unknown>;

function parse(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Json) : {};
  } catch {
    return {};
  }
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null) : [];
}

/** The text of a message, a choice's message or a delta: content, refusal, reasoning, and the arguments of tool calls. */
function textOf(message: Json): string {
  const parts: unknown[] = [message.content, message.refusal, message.reasoning_content];
  for (const part of list(message.content)) parts.push(part.text);
  for (const call of list(message.tool_calls)) {
    const called = (call.function ?? {}) as Json;
    parts.push(called.name, called.arguments);
  }
  return parts.filter((part) => typeof part === 'string').join('');
}

function messageTokens(messages: Json[], tools: unknown): number {
  let tokens = TOKENS_PER_MESSAGE;
  for (const message of messages) tokens += TOKENS_PER_MESSAGE + countTokens(textOf(message));
  return tools === undefined ? tokens : tokens + countTokens(JSON.stringify(tools));
}

/** Texts of a stream are put together per choice first: tokens straddle chunks. */
function streamTokens(pieces: Json[], textOfPiece: (piece: Json) => string): number {
  const byIndex = new Map<unknown, string>();
  for (const piece of pieces) byIndex.set(piece.index, (byIndex.get(piece.index) ?? '') + textOfPiece(piece));
  return [...byIndex.values()].reduce((sum, text) => sum + countTokens(text), 0);
}

function events(text: string): Json[] {
  const lines = text.split(/\r?\n/).filter((line) => DATA_FIELD.test(line));
  return lines.map((line) => parse(line.replace(DATA_FIELD, '')));
}

type Counter = (text: string) => number;
const nothing: Counter = () => 0;

const chat: Record<TextPart, Counter> = {
  prompt: (text) => {
    const { messages, tools } = parse(text);
    return messageTokens(list(messages), tools);
  },
  answer: (text) =>
    list(parse(text).choices).reduce((sum, choice) => sum + countTokens(textOf((choice.message ?? {}) as Json)), 0),
  stream: (text) =>
    streamTokens(
      events(text).flatMap((event) => list(event.choices)),
      (choice) => textOf((choice.delta ?? {}) as Json),
    ),
};

/** Text of a block of Anthropic's: what is said, thought, asked of a tool, or a tool's result. */
function blockText(block: Json): string {
  const parts = [block.text, block.thinking, block.name, block.partial_json, block.content];
  const own = parts.filter((part) => typeof part === 'string').join('');
  const input = typeof block.input === 'object' && block.input !== null ? JSON.stringify(block.input) : '';
  return own + input + list(block.content).map(blockText).join('');
}

function blockTokens(content: unknown): number {
  return typeof content === 'string' ? countTokens(content) : countTokens(list(content).map(blockText).join(''));
}

const messages: Record<TextPart, Counter> = {
  prompt: (text) => {
    const body = parse(text);
    const spoken = list(body.messages).reduce((sum, { content }) => sum + TOKENS_PER_MESSAGE + blockTokens(content), 0);
    return spoken + blockTokens(body.system) + (body.tools === undefined ? 0 : countTokens(JSON.stringify(body.tools)));
  },
  answer: (text) => blockTokens(parse(text).content),
  stream: (text) =>
    // Only text, thinking and arguments grow by deltas; the other events of a block have none of these fields.
    streamTokens(events(text), ({ delta }) => blockText((delta ?? {}) as Json)),
};

/** A text, texts, or tokens already counted by the client. */
function textTokens(value: unknown): number {
  if (typeof value === 'string') return countTokens(value);
  if (typeof value === 'number') return 1;
  return Array.isArray(value) ? value.reduce((sum: number, part) => sum + textTokens(part), 0) : 0;
}

const completions: Record<TextPart, Counter> = {
  prompt: (text) => textTokens(parse(text).prompt),
  answer: (text) => list(parse(text).choices).reduce((sum, choice) => sum + textTokens(choice.text), 0),
  stream: (text) =>
    streamTokens(
      events(text).flatMap((event) => list(event.choices)),
      (choice) => (typeof choice.text === 'string' ? choice.text : ''),
    ),
};

/** Text of an item of the Responses API: a message, a call of a tool, its result, or reasoning. */
function itemText(item: Json): string {
  const parts = [item.text, item.content, item.output, item.name, item.arguments, item.input];
  const own = parts.filter((part) => typeof part === 'string').join('');
  return own + [...list(item.content), ...list(item.output), ...list(item.summary)].map(itemText).join('');
}

const responses: Record<TextPart, Counter> = {
  prompt: (text) => {
    const { input, instructions, tools } = parse(text);
    const items = list(input).reduce((sum, item) => sum + TOKENS_PER_MESSAGE + countTokens(itemText(item)), 0);
    const said = items + (typeof input === 'string' ? countTokens(input) : 0) + textTokens(instructions);
    return TOKENS_PER_MESSAGE + said + (tools === undefined ? 0 : countTokens(JSON.stringify(tools)));
  },
  answer: (text) => list(parse(text).output).reduce((sum, item) => sum + countTokens(itemText(item)), 0),
  stream: (text) =>
    // Every kind of delta carries its text in `delta`; the events that repeat it whole have no such field.
    streamTokens(
      events(text).map(({ output_index, content_index, delta }) => ({ index: `${output_index}.${content_index}`, delta })),
      ({ delta }) => (typeof delta === 'string' ? delta : ''),
    ),
};

const embeddings = { prompt: (text: string) => textTokens(parse(text).input), answer: nothing, stream: nothing };

const COUNTERS: Record<TextFormat, Record<TextPart, Counter>> = {
  chat,
  completions,
  embeddings,
  images: { prompt: (text) => textTokens(parse(text).prompt), answer: nothing, stream: nothing },
  messages,
  moderations: embeddings,
  rerank: {
    prompt: (text) => {
      const { query, documents } = parse(text);
      const texts = Array.isArray(documents)
        ? documents.map((one) => (typeof one === 'object' && one ? Object.values(one) : one))
        : [];
      return textTokens([query, texts]);
    },
    answer: nothing,
    stream: nothing,
  },
  responses,
  speech: { prompt: nothing, answer: nothing, stream: nothing },
  transcriptions: {
    prompt: nothing,
    // In JSON, or the text itself.
    answer: (text) => textTokens(parse(text).text ?? text),
    stream: nothing,
  },
};

/** Texts nested so deeply that reading them ends in an exception count as nothing: a guess must never be too high. */
function tokensOf({ kind, bytes }: CountJob): number {
  const [format, part] = kind.split('.') as [TextFormat, TextPart];
  try {
    return COUNTERS[format][part](new TextDecoder().decode(bytes));
  } catch {
    return 0;
  }
}

function resultOf(job: CountJob | ExactJob): CountResult {
  charsLeft = JOB_CHARS_MAX;
  if (job.kind !== 'chat.exact') return { id: job.id, tokens: tokensOf(job) };
  return { id: job.id, ...countPlainTexts(new TextDecoder().decode(job.bytes), countTokens) };
}

parentPort?.on('message', (job: CountJob | ExactJob) => {
  parentPort?.postMessage(resultOf(job));
});
