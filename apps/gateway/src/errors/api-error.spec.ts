import { describe, expect, it } from '@jest/globals';
import { openAiErrorSchema } from '@tensorloop/contracts/openai-error';
import { API_ERROR_CODES, apiError } from './api-error.types.js';
import { OPENAI_SKIN } from './error-skin.types.js';

describe('the error table', () => {
  it.each(API_ERROR_CODES)('gives %s a body that OpenAI clients read', (code) => {
    const error = apiError(code, 'text', { param: 'model' });
    expect(openAiErrorSchema.parse(error.body)).toEqual({
      error: { message: 'text', type: expect.any(String), param: 'model', code },
    });
    expect(error.status).toBeGreaterThanOrEqual(400);
  });

  it('tells the two kinds of 429 apart by type (TL-8)', () => {
    expect(apiError('rate_limit_exceeded', '')).toMatchObject({ status: 429, body: { error: { type: 'rate_limit_error' } } });
    expect(apiError('insufficient_quota', '')).toMatchObject({ status: 429, body: { error: { type: 'budget_exceeded' } } });
    expect(apiError('budget_held', '')).toMatchObject({ status: 429, body: { error: { type: 'rate_limit_error' } } });
  });

  it('writes an error as one SSE event', () => {
    expect(OPENAI_SKIN.event(apiError('internal_error', 'x'), 'id').toString()).toBe(
      'data: {"error":{"message":"x","type":"server_error","param":null,"code":"internal_error"}}\n\n',
    );
  });
});
