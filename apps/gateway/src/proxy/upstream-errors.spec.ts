import { describe, expect, it } from '@jest/globals';
import { scrubSecrets, upstreamError } from './upstream-errors.js';

function body(error: object): Buffer {
  return Buffer.from(JSON.stringify({ error }));
}

describe('an upstream error', () => {
  it('keeps status, message, param and code', () => {
    const error = upstreamError(
      400,
      {},
      body({ message: 'Too many images', type: 'invalid_request_error', param: 'messages', code: 'image_count' }),
    );
    expect(error).toMatchObject({
      status: 400,
      body: { error: { message: 'Too many images', type: 'invalid_request_error', param: 'messages', code: 'image_count' } },
    });
  });

  it.each([401, 403, 407, 302])("of status %i is ours and not the client's", (status) => {
    expect(upstreamError(status, {}, body({ message: 'x' })).status).toBe(502);
  });

  it('that is no JSON gets a sentence of ours', () => {
    expect(upstreamError(503, {}, Buffer.from('<html>')).body.error.message).toBe('The provider answered with status 503.');
  });

  it('passes on when to come back and no other header', () => {
    expect(upstreamError(429, { 'retry-after': '3', server: 'x', 'openai-organization': 'acme' }, body({})).headers).toEqual({
      'retry-after': '3',
    });
  });

  it.each([
    'Incorrect API key provided: sk-proj-abc123def456',
    'Incorrect API key provided: sk-ab***********wxyz',
    'Authorization: Bearer abcdef',
    'token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9eyJzdWIiOiIxMjM0NTY3ODkwIn0',
  ])('text loses its secrets: %s', (text) => {
    expect(scrubSecrets(text)).toContain('[redacted]');
    expect(scrubSecrets(text)).not.toMatch(/abc123|wxyz|abcdef|eyJ/);
  });
});
