import { parentPort } from 'node:worker_threads';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';

/** One text to count, and which parts of it are text. */
export interface CountJob {
  id: number;
  kind: 'prompt' | 'answer' | 'stream';
  bytes: Uint8Array;
}

export interface CountResult {
  id: number;
  tokens: number;
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

function promptTokens(body: Json): number {
  const messages = list(body.messages);
  let tokens = TOKENS_PER_MESSAGE;
  for (const message of messages) tokens += TOKENS_PER_MESSAGE + countTokens(textOf(message));
  return body.tools === undefined ? tokens : tokens + countTokens(JSON.stringify(body.tools));
}

function answerTokens(answer: Json): number {
  return list(answer.choices).reduce((sum, choice) => sum + countTokens(textOf((choice.message ?? {}) as Json)), 0);
}

/** Texts of a stream are put together per choice first: tokens straddle chunks. */
function streamTokens(text: string): number {
  const byChoice = new Map<unknown, string>();
  for (const line of text.split(/\r?\n/)) {
    if (!DATA_FIELD.test(line)) continue;
    for (const choice of list(parse(line.replace(DATA_FIELD, '')).choices)) {
      byChoice.set(choice.index, (byChoice.get(choice.index) ?? '') + textOf((choice.delta ?? {}) as Json));
    }
  }
  return [...byChoice.values()].reduce((sum, part) => sum + countTokens(part), 0);
}

function count({ kind, bytes }: CountJob): number {
  const text = new TextDecoder().decode(bytes);
  if (kind === 'stream') return streamTokens(text);
  return kind === 'prompt' ? promptTokens(parse(text)) : answerTokens(parse(text));
}

parentPort?.on('message', (job: CountJob) => {
  parentPort?.postMessage({ id: job.id, tokens: count(job) } satisfies CountResult);
});
