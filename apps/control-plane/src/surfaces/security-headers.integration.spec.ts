import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';

const CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

describe('every answer', () => {
  it.each([
    { what: 'a read', method: 'GET', path: '/api/auth/methods', status: 200 },
    { what: 'the index', method: 'GET', path: '/', status: 200 },
    { what: 'health', method: 'GET', path: '/health/live', status: 200 },
    { what: 'metrics', method: 'GET', path: '/metrics', status: 200 },
    { what: 'no session', method: 'GET', path: '/api/me', status: 401 },
    { what: 'nothing there', method: 'GET', path: '/api/nothing', status: 404 },
    { what: 'the wrong surface', method: 'POST', path: '/v1/models', status: 404 },
    { what: 'an address that cannot be read', method: 'GET', path: '/api/keys/%ff', status: 400 },
    { what: 'a body that cannot be read', method: 'POST', path: '/api/auth/sign-in', status: 400, body: '{' },
    { what: 'a body that is no JSON', method: 'POST', path: '/api/auth/sign-in', status: 415, body: 'x', type: 'text/plain' },
    {
      what: 'a body that is too large',
      method: 'POST',
      path: '/api/auth/sign-in',
      status: 413,
      body: `"${'x'.repeat(70_000)}"`,
    },
  ])('loads, frames, sniffs, caches and refers to nothing: $what', async ({ method, path, status, body, type }) => {
    const answer = await plane.browser().send(method, path, {
      ...(body === undefined ? {} : { body }),
      ...(type === undefined ? {} : { headers: { 'content-type': type } }),
    });
    expect(answer.status).toBe(status);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-security-policy': CLOSED,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    expect(answer.headers.get('x-powered-by')).toBeNull();
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    // Over plain http it would lock a developer's host name to https.
    expect(answer.headers.get('strict-transport-security')).toBeNull();
  });

  it('over https keeps browsers on https', async () => {
    const secure = await startControlPlane({ PUBLIC_URL: 'https://dashboard.example.com' });
    const { headers } = await secure.browser().send('GET', '/api/nothing');
    expect(headers.get('strict-transport-security')).toBe('max-age=31536000; includeSubDomains');
    await secure.close();
  });
});

describe('a read', () => {
  it('is not sent again to who has it, and is never answered out of a cache of another account', async () => {
    const [one, two] = [await plane.signUp(), await plane.signUp()];
    const first = await one.browser.send('GET', '/api/me');
    const entityTag = first.headers.get('etag') as string;
    const headers = { 'if-none-match': entityTag };
    const again = await one.browser.send('GET', '/api/me', { headers });
    expect([again.status, again.text]).toEqual([304, '']);
    const other = await two.browser.send('GET', '/api/me', { headers });
    expect([other.status, other.headers.get('etag') === entityTag]).toEqual([200, false]);
    expect((await plane.browser().send('GET', '/api/me', { headers })).status).toBe(401);
  });
});
