import { describe, expect, it } from '@jest/globals';
import { openAiErrorSchema } from '@tensorloop/contracts/openai-error';
import { cpuMsOf } from '@tensorloop/testing/cpu-time';
import fc from 'fast-check';
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

  it('keeps the further fields of the provider, beside the error and inside it', () => {
    const raw = {
      error: {
        message: 'Filtered',
        code: 'content_filter',
        inner: { hate: { filtered: true, severity: 2.5 } },
        list: [null, 'x'],
      },
      documentation: 'https://provider.example/errors',
    };
    expect(upstreamError(400, {}, Buffer.from(JSON.stringify(raw))).body).toEqual({
      documentation: 'https://provider.example/errors',
      error: {
        message: 'Filtered',
        type: 'invalid_request_error',
        param: null,
        code: 'content_filter',
        inner: { hate: { filtered: true, severity: 2.5 } },
        list: [null, 'x'],
      },
    });
  });

  it.each([
    ['error', { error: 'no such engine' }],
    ['message', { object: 'error', message: 'no such engine', code: 404 }],
    ['detail', { detail: 'no such engine' }],
  ])('that says in "%s" what it has to say is heard', (_, raw) => {
    expect(upstreamError(404, {}, Buffer.from(JSON.stringify(raw))).body.error).toMatchObject({
      message: 'no such engine',
      code: 'upstream_error',
    });
  });

  it('loses secrets in whatever field, in a name or under a telling name', () => {
    const raw = {
      error: { message: 'x', trace: [{ sent: 'Bearer abcdef' }], organization: 'Acme', headers: { 'api-key': 'tiny' } },
      'sk-abc123def': 1,
      ['__proto__']: { 'sk-hidden123': 'Bearer abcdef' },
      account_id: 'acme-billing',
    };
    const text = JSON.stringify(upstreamError(422, {}, Buffer.from(JSON.stringify(raw))).body);
    expect(text).not.toMatch(/abcdef|Acme|tiny|abc123|acme-billing/);
    expect(text).toContain('[redacted]');
  });

  const lower = [...'abcdef0123456789'];
  const wide = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'];
  const keyOf = (units: string[], length: number) =>
    fc.array(fc.constantFrom(...units), { minLength: length, maxLength: length }).map((all) => all.join(''));
  const key = fc.oneof(
    keyOf(lower, 32),
    keyOf(wide, 32),
    keyOf([...wide, '-', '_'], 35).map((rest) => `AIza${rest}`),
    keyOf(wide, 12).map((rest) => `token-${rest}1`),
    keyOf(wide, 12).map((rest) => `sk-${rest}`),
  );

  it('tells no key of any common form, wherever it stands', () => {
    fc.assert(
      fc.property(key, fc.lorem({ maxCount: 5 }), (secret, words) => {
        const said = `${words} ${secret}, ${words}`;
        const raw = { error: { message: said, code: said, inner: [{ said, [secret]: 1 }] }, said };
        return !JSON.stringify(upstreamError(400, {}, Buffer.from(JSON.stringify(raw))).body).includes(secret);
      }),
    );
  });

  it('tells nothing that stands under a telling name or in an address, whatever it looks like', () => {
    const names = ['token', 'token_value', 'subscription_key', 'client_secret', 'password', 'x-signature'];
    const value = keyOf(wide, 9);
    fc.assert(
      fc.property(value, fc.constantFrom(...names), (secret, name) => {
        const url = `https://user:${secret}@10.0.0.3/x?a=1&api-key=${secret}&sig=${secret}&X-Amz-Signature=${secret}#y`;
        const raw = { error: { message: `see ${url}`, [name]: secret, list: [{ [name]: [secret] }], url } };
        return !JSON.stringify(upstreamError(400, {}, Buffer.from(JSON.stringify(raw))).body).includes(secret);
      }),
    );
  });

  it('keeps what only looks a little like a key: names of models, ids of requests, numbers of tokens', () => {
    const message =
      'gpt-4o-realtime-preview-2024-12-17 took a token-based 0190a8e3-6b7c-7d3e-8f00-0123456789ab at https://x.test/a@b?n=1';
    const details = { max_tokens: 4096, token_count: { total: 5 }, tokens: 3 };
    expect(upstreamError(400, {}, body({ message, ...details })).body.error).toMatchObject({
      message,
      max_tokens: 4096,
      token_count: '[redacted]',
      tokens: 3,
    });
  });

  it.each(['://', 'token-', 'key=', 'AIza', 'a', '-', '@'])('of %s over and over is read in no time', (piece) => {
    const text = piece.repeat((64 * 1024) / piece.length);
    expect(cpuMsOf(() => scrubSecrets(text))).toBeLessThan(200);
  });

  it.each([
    ['too large', { error: { message: 'kept', more: Array.from({ length: 100 }, () => 'long '.repeat(80)) } }],
    ['too deep', { error: { message: 'kept' }, more: JSON.parse(`${'['.repeat(50)}1${']'.repeat(50)}`) }],
  ])('whose further fields are %s keeps what it says without them', (_, raw) => {
    expect(upstreamError(400, {}, Buffer.from(JSON.stringify(raw))).body).toEqual({
      error: { message: 'kept', type: 'invalid_request_error', param: null, code: 'upstream_error' },
    });
  });

  it('of any JSON whatever has the shape that clients read, and is of bounded size', () => {
    fc.assert(
      fc.property(fc.json(), fc.integer({ min: 400, max: 599 }), (raw, status) => {
        const { body: sent } = upstreamError(status, {}, Buffer.from(raw));
        return openAiErrorSchema.safeParse(sent).success && JSON.stringify(sent).length < 64 * 1024;
      }),
    );
  });
});
