import { describe, expect, it } from '@jest/globals';
import { API_ERROR_CODES, apiError } from '../errors/api-error.types.js';
import { ANTHROPIC_SKIN } from './anthropic-skin.types.js';

function typeOf(error: ReturnType<typeof apiError>): string {
  return (ANTHROPIC_SKIN.body(error, 'id') as { error: { type: string } }).error.type;
}

describe('errors on Anthropic’s surface', () => {
  it('have the shape that its clients read', () => {
    expect(ANTHROPIC_SKIN.body(apiError('model_not_allowed', 'text', { param: 'model' }), 'the-id')).toEqual({
      type: 'error',
      error: { type: 'permission_error', message: 'text', details: { error_code: 'model_not_allowed' } },
      request_id: 'the-id',
    });
  });

  it('use the words of that API only', () => {
    const words = [
      'invalid_request_error',
      'authentication_error',
      'billing_error',
      'permission_error',
      'not_found_error',
      'request_too_large',
      'rate_limit_error',
      'api_error',
      'overloaded_error',
      'timeout_error',
    ];
    for (const code of API_ERROR_CODES) expect(words).toContain(typeOf(apiError(code, '')));
  });

  it('tell the two kinds of 429 apart by type (TL-8)', () => {
    expect(typeOf(apiError('rate_limit_exceeded', ''))).toBe('rate_limit_error');
    expect(typeOf(apiError('budget_held', ''))).toBe('rate_limit_error');
    expect(typeOf(apiError('insufficient_quota', ''))).toBe('billing_error');
    expect(typeOf(apiError('insufficient_balance', ''))).toBe('billing_error');
  });

  it('say what the provider said in its own words', () => {
    const refused = apiError('upstream_error', 'Overloaded');
    const body = { error: { ...refused.body.error, type: 'overloaded_error' } };
    expect(typeOf({ ...refused, status: 529, body })).toBe('overloaded_error');
  });

  it('carry the further fields of the provider, under our request id and our code', () => {
    const refused = apiError('upstream_error', 'Too long');
    const error = { ...refused.body.error, details: { limit: 5 }, hint: 'shorter' };
    const body = { error, type: 'problem', request_id: 'the provider’s', help: 'url' };
    expect(ANTHROPIC_SKIN.body({ ...refused, body }, 'the-id')).toEqual({
      type: 'error',
      error: { type: 'api_error', message: 'Too long', details: { limit: 5, error_code: 'upstream_error' }, hint: 'shorter' },
      request_id: 'the-id',
      help: 'url',
    });
  });

  it('go into a stream as an event of that name', () => {
    const event = ANTHROPIC_SKIN.event(apiError('upstream_cut', 'gone'), 'id').toString();
    expect(event).toMatch(/^event: error\ndata: \{"type":"error",.*\}\n\n$/);
    expect(JSON.parse(event.slice(event.indexOf('{')))).toEqual(ANTHROPIC_SKIN.body(apiError('upstream_cut', 'gone'), 'id'));
  });
});
