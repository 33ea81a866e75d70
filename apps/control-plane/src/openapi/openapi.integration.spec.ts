import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

describe('the description of the API', () => {
  it('is served as it is, with the address where it is served', async () => {
    const { status, body } = await plane.browser().send<OpenApiDocument>('GET', '/api/openapi.json');
    expect([status, body.openapi, body.servers]).toEqual([200, '3.1.1', [{ url: plane.context.config.PUBLIC_URL }]]);
  });

  it('can be read in a browser that loads nothing from elsewhere', async () => {
    const { status, headers, text } = await plane.browser().send('GET', '/api/docs');
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
    // The policy forbids scripts in the page.
    expect(text).not.toMatch(/<script>|\son\w+=/);
    const files = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file as string);
    expect(files).toHaveLength(4);
    for (const file of files) {
      expect(file).toMatch(/^\/api\/docs\/assets\//);
      const answer = await plane.browser().send('GET', file);
      expect([answer.status, answer.headers.get('x-content-type-options')]).toEqual([200, 'nosniff']);
      expect(answer.headers.get('content-type')).toMatch(/^(text\/(javascript|css); charset=utf-8|image\/png)$/);
    }
  });

  it.each(['package.json', '..%2fpackage.json', 'swagger-ui.js', 'toString', '__proto__'])(
    'does not serve %s',
    async (name) => {
      const { status, body } = await plane.browser().send('GET', `/api/docs/assets/${name}`);
      expect([status, body.code]).toEqual([404, 'not_found']);
    },
  );
});

describe('a problem', () => {
  it('names the page that says what it means', async () => {
    const { body } = await plane.browser().send('GET', '/api/me');
    expect(body.type).toBe(`${plane.context.config.PUBLIC_URL}/api/docs/errors/${body.code}`);
    const page = await plane.browser().send('GET', new URL(body.type).pathname);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.text).toContain(`<h1>${body.code}</h1>`);
    const list = await plane.browser().send('GET', '/api/docs/errors');
    expect(list.text).toContain(`href="errors/${body.code}"`);
  });

  it.each(['nothing_of_ours', 'constructor'])('that there is not has no page: %s', async (code) => {
    const { status, body } = await plane.browser().send('GET', `/api/docs/errors/${code}`);
    expect([status, body.code]).toEqual([404, 'not_found']);
  });

  it('is looked for by its code alone, never by a path', async () => {
    const { status } = await plane.browser().send('GET', '/api/docs/errors/..%2f..%2fREADME');
    expect(status).toBe(400);
  });
});
