import { describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { CallPlan } from './call-plan.js';
import { type Answer, checkAnswer } from './check-answer.js';

const plan: CallPlan = {
  keyIndex: 0,
  model: 'm',
  stream: false,
  includeUsage: false,
  promptTokens: 10,
  cachedTokens: 4,
  completionTokens: 3,
  reasoningTokens: 1,
  maxTokens: null,
};
const streamed: CallPlan = { ...plan, stream: true, includeUsage: true };
const usage = {
  prompt_tokens: 10,
  completion_tokens: 3,
  total_tokens: 13,
  prompt_tokens_details: { cached_tokens: 4 },
  completion_tokens_details: { reasoning_tokens: 1 },
};
const whole = { choices: [{ message: { content: ' one two' } }], usage };

function check(asked: CallPlan, body: string, changes: Partial<Answer> = {}): string | null {
  return checkAnswer(asked, { status: 200, requestId: uuid7(), body: Buffer.from(body), ...changes });
}

function events(...values: object[]): string {
  return `${values.map((value) => `data: ${JSON.stringify(value)}\n\n`).join('')}data: [DONE]\n\n`;
}
const content = [{ role: true }, { token: 1 }, { token: 2 }, { finish: true }];

describe('an answer as it was asked for', () => {
  it('is accepted, in one piece, as a stream, and as a stream without usage event', () => {
    expect(check(plan, JSON.stringify(whole))).toBeNull();
    expect(check(streamed, events(...content, { usage }))).toBeNull();
    expect(check({ ...streamed, includeUsage: false }, events(...content))).toBeNull();
  });
});

describe('an answer in one piece that is not what was asked for', () => {
  it.each([
    ['an error', check(plan, '{"error":{}}', { status: 503 }), /status 503/],
    ['no request id', check(plan, JSON.stringify(whole), { requestId: null }), /x-request-id is missing/],
    ['a foreign request id', check(plan, JSON.stringify(whole), { requestId: 'req_1' }), /not a UUIDv7/],
    ['half a body', check(plan, JSON.stringify(whole).slice(0, 40)), /not JSON/],
    [
      'a missing word',
      check(plan, JSON.stringify({ ...whole, choices: [{ message: { content: ' one' } }] })),
      /1 tokens instead of 2/,
    ],
    ['no usage', check(plan, JSON.stringify({ ...whole, usage: undefined })), /instead of 10 \/ 4 \/ 3 \/ 1 \/ 13/],
    ['other usage', check(plan, JSON.stringify({ ...whole, usage: { ...usage, prompt_tokens: 9 } })), /is 9 \/ 4/],
  ])('%s', (_, problem, expected) => {
    expect(problem).toMatch(expected);
  });
});

describe('a stream that is not what was asked for', () => {
  it.each([
    ['no [DONE]', check(streamed, events(...content, { usage }).slice(0, -14)), /does not end with \[DONE\]/],
    ['a missing event', check(streamed, events(...content.slice(1), { usage })), /5 events instead of 6/],
    ['an event twice', check(streamed, events(...content, content[2] as object, { usage })), /7 events instead of 6/],
    ['no usage event', check(streamed, events(...content, {})), /usage .* is {2}\/ {2}\//],
    [
      'a usage event not asked for',
      check({ ...streamed, includeUsage: false }, events(...content.slice(1), { usage })),
      /not asked for/,
    ],
  ])('%s', (_, problem, expected) => {
    expect(problem).toMatch(expected);
  });
});
