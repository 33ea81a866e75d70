import { isUuid7 } from '@tensorloop/kernel/uuid7';
import type { CallPlan } from './call-plan.js';

export interface Answer {
  status: number;
  requestId: string | null;
  body: Buffer;
}

const DONE = Buffer.from('data: [DONE]\n\n');
const EVENT_END = Buffer.from('\n\n');
const ERROR_TEXT_LENGTH_MAX = 300;

interface WireUsage {
  prompt_tokens?: number;
  completion_tokens?: number;
  total_tokens?: number;
  prompt_tokens_details?: { cached_tokens?: number };
  completion_tokens_details?: { reasoning_tokens?: number };
}

/** What is wrong with an answer, or null when it is, to the token, what was asked for. */
export function checkAnswer(plan: CallPlan, answer: Answer): string | null {
  if (answer.status !== 200) return `status ${answer.status}: ${answer.body.toString('utf8', 0, ERROR_TEXT_LENGTH_MAX)}`;
  if (answer.requestId === null || !isUuid7(answer.requestId))
    return `x-request-id is ${answer.requestId ?? 'missing'}, not a UUIDv7`;
  return plan.stream ? checkStream(plan, answer.body) : checkWhole(plan, answer.body);
}

function checkWhole(plan: CallPlan, body: Buffer): string | null {
  const value = parse(body.toString()) as { choices?: { message?: { content?: string } }[]; usage?: WireUsage } | null;
  if (value === null) return 'the body is not JSON';
  const words = countWords(value.choices?.[0]?.message?.content ?? '');
  const expected = plan.completionTokens - plan.reasoningTokens;
  if (words !== expected) return `the text has ${words} tokens instead of ${expected}`;
  return checkUsage(plan, value.usage);
}

/** Events are counted, not parsed: a token is one event, and half a gigabyte of them would measure this process. */
function checkStream(plan: CallPlan, body: Buffer): string | null {
  if (!body.subarray(-DONE.length).equals(DONE)) return 'the stream does not end with [DONE]';
  const events = countEvents(body);
  const expected = 1 + (plan.completionTokens - plan.reasoningTokens) + 1 + (plan.includeUsage ? 1 : 0) + 1;
  if (events !== expected) return `the stream has ${events} events instead of ${expected}`;
  const last = lastEvent(body);
  if (!plan.includeUsage) return last?.usage ? 'the stream has a usage event that was not asked for' : null;
  return checkUsage(plan, last?.usage ?? undefined);
}

function countEvents(body: Buffer): number {
  let count = 0;
  for (let at = body.indexOf(EVENT_END); at !== -1; at = body.indexOf(EVENT_END, at + EVENT_END.length)) count++;
  return count;
}

/** The event before [DONE]. */
function lastEvent(body: Buffer): { usage?: WireUsage | null } | null {
  const end = body.length - DONE.length - EVENT_END.length;
  const begin = body.lastIndexOf(EVENT_END, end - 1);
  const text = body.toString('utf8', begin === -1 ? 0 : begin + EVENT_END.length, end);
  return text.startsWith('data: ') ? (parse(text.slice('data: '.length)) as { usage?: WireUsage | null } | null) : null;
}

function checkUsage(plan: CallPlan, usage: WireUsage | undefined): string | null {
  const found = [
    usage?.prompt_tokens,
    usage?.prompt_tokens_details?.cached_tokens,
    usage?.completion_tokens,
    usage?.completion_tokens_details?.reasoning_tokens,
    usage?.total_tokens,
  ].join(' / ');
  const { promptTokens, cachedTokens, completionTokens, reasoningTokens } = plan;
  const expected = [promptTokens, cachedTokens, completionTokens, reasoningTokens, promptTokens + completionTokens].join(' / ');
  return found === expected
    ? null
    : `usage (prompt / cached / completion / reasoning / total) is ${found} instead of ${expected}`;
}

function countWords(text: string): number {
  let count = 0;
  for (let at = text.indexOf(' '); at !== -1; at = text.indexOf(' ', at + 1)) count++;
  return count;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
