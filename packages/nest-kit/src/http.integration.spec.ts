import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { problemSchema } from '@tensorloop/contracts/dashboard-api';
import { isUuid7 } from '@tensorloop/kernel/uuid7';
import { HealthRegistry } from './health.js';
import { assignRequestId } from './request-id.js';
import { findUndeclared, walkRoutes } from './routes.js';
import { logLines, SampleModule } from './testing/sample-app.js';

/** Beyond the default limits of both adapters (100 kB and 1 MiB). */
const LONG_BODY = JSON.stringify({ name: 'x'.repeat(2_000_000) });
const ADAPTERS = { Express: () => new ExpressAdapter(), Fastify: () => new FastifyAdapter() };

describe.each(Object.entries(ADAPTERS))('an app on %s', (name, createAdapter) => {
  let app: INestApplication;
  let base: string;

  beforeAll(async () => {
    app = await NestFactory.create(SampleModule, createAdapter(), { logger: false });
    if (name === 'Express') (app as NestExpressApplication).use(assignRequestId).disable('etag');
    await app.listen(0, '127.0.0.1');
    base = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  });

  beforeEach(() => {
    logLines.length = 0;
  });

  afterAll(async () => {
    await app.close();
  });

  const get = (path: string) => fetch(base + path);
  const post = (path: string, body: string, contentType = 'application/json') =>
    fetch(base + path, { method: 'POST', body, headers: { 'content-type': contentType } });
  const problemOf = async (response: Response) => {
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    return problemSchema.strict().parse(await response.json());
  };

  describe('when the request is good', () => {
    it('answers with what the response schema describes and nothing else', async () => {
      const response = await post('/things', '{"name":"a"}');
      expect(response.status).toBe(201);
      expect(await response.json()).toEqual({ id: 'a' });
    });

    it('answers with what is described for the status that the handler chose', async () => {
      const made = await post('/things/slow', '{"isQueued":false}');
      expect([made.status, await made.json()]).toEqual([201, { id: 'a' }]);
      const queued = await post('/things/slow', '{"isQueued":true}');
      expect([queued.status, await queued.json()]).toEqual([202, { isQueued: true }]);
    });

    it('hands on the parsed query, defaults included', async () => {
      expect(await (await get('/things')).json()).toEqual({ id: '50' });
      expect(await (await get('/things?limit=7')).json()).toEqual({ id: '7' });
    });
  });

  describe('when the caller has an answer already', () => {
    it('sends it again only when it is another', async () => {
      const first = await get('/things?limit=7');
      const entityTag = first.headers.get('etag') as string;
      expect(entityTag).toMatch(/^"[\w-]{22}"$/);
      const ask = (path: string) => fetch(base + path, { headers: { 'if-none-match': entityTag } });
      const again = await ask('/things?limit=7');
      expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', entityTag]);
      expect((await ask('/things?limit=8')).status).toBe(200);
    });

    it('changes what the caller saw, and nothing newer', async () => {
      const patch = (name: string, ifMatch?: string) =>
        fetch(`${base}/versioned`, {
          method: 'PATCH',
          body: JSON.stringify({ name }),
          headers: { 'content-type': 'application/json', ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }) },
        });
      const seen = (await get('/versioned')).headers.get('etag') as string;
      const changed = await patch('second', seen);
      expect([changed.status, changed.headers.get('etag')]).toEqual([200, expect.stringMatching(/^"2\./)]);
      const refused = await patch('third', seen);
      expect([refused.status, (await problemOf(refused)).code]).toEqual([412, 'precondition_failed']);
      expect((await patch('third', changed.headers.get('etag') as string)).status).toBe(200);
      expect((await patch('fourth')).status).toBe(200);
      expect((await patch('fifth', 'third')).status).toBe(400);
    });

    it('tags neither refusals nor changes of what has no version', async () => {
      expect((await get('/nothing')).headers.get('etag')).toBeNull();
      expect((await post('/things', '{"name":"a"}')).headers.get('etag')).toBeNull();
    });
  });

  describe('when the request is refused', () => {
    it('points at each field that is not valid', async () => {
      const response = await post('/things', '{"name":"","tags":["x",2]}');
      expect(response.status).toBe(400);
      const problem = await problemOf(response);
      expect(problem).toMatchObject({ code: 'invalid_request', status: 400 });
      expect(problem.errors?.map((error) => error.pointer)).toEqual(['/name', '/tags/1']);
    });

    it('says in words what is wrong with a field', async () => {
      const wordsOf = async (body: string) => (await problemOf(await post('/things', body))).errors;
      expect(await wordsOf('{}')).toEqual([{ pointer: '/name', message: 'this field is required: expected a text' }]);
      expect(await wordsOf('{"name":1}')).toEqual([{ pointer: '/name', message: 'expected a text, not a number' }]);
      expect(await wordsOf('[]')).toEqual([{ pointer: '', message: 'expected an object, not a list' }]);
    });

    it('answers a feature’s problem with its code, status and headers', async () => {
      const response = await post('/things', '{"name":"taken"}');
      expect(response.status).toBe(409);
      expect(response.headers.get('retry-after')).toBe('3');
      expect(await problemOf(response)).toMatchObject({
        code: 'thing_taken',
        detail: 'The name is taken.',
        type: 'urn:tensorloop:problem:thing_taken',
      });
    });

    it('says what is wrong with a body that cannot be read', async () => {
      const json = await problemOf(await post('/things', '{"name":'));
      expect(json.detail).toBe('The body is not valid JSON.');
      const long = await problemOf(await post('/things', LONG_BODY));
      expect(long.detail).toMatch(/^The request body is too large/);
      if (name !== 'Express') return;
      expect(long.detail).toContain('at most 102400 bytes');
      const charset = await problemOf(await post('/things', '{}', 'application/json; charset=iso-8859-1'));
      expect([charset.status, charset.detail]).toEqual([415, 'Send the body in UTF-8.']);
    });

    it.each([
      { what: 'a body that is not JSON', send: () => post('/things', '{"name":'), status: 400, code: 'invalid_request' },
      { what: 'a path that does not exist', send: () => get('/nothing'), status: 404, code: 'not_found' },
      { what: 'a route that needs a session', send: () => get('/things/abc/mine'), status: 403, code: 'forbidden' },
      { what: 'a route that declares no access', send: () => get('/forgotten'), status: 403, code: 'forbidden' },
      { what: 'a body beyond the limit', send: () => post('/things', LONG_BODY), status: 413, code: 'body_too_large' },
    ])('answers $what with problem details', async ({ send, status, code }) => {
      const response = await send();
      expect(response.status).toBe(status);
      expect(await problemOf(response)).toMatchObject({ code, status });
    });
  });

  describe('when the service itself fails', () => {
    it('answers 500 without internals, and logs them under the same request id', async () => {
      const response = await post('/things', '{"name":"broken"}');
      expect(response.status).toBe(500);
      const problem = await problemOf(response);
      expect(problem.code).toBe('internal_error');
      expect(JSON.stringify(problem)).not.toMatch(/hunter2|10\.0\.0\.1/);
      expect(isUuid7(problem.requestId as string)).toBe(true);
      if (name === 'Express') expect(response.headers.get('x-request-id')).toBe(problem.requestId);
      const line = logLines.map((text) => JSON.parse(text)).find((entry) => entry.requestId === problem.requestId);
      expect(line).toMatchObject({ level: 'error', err: { message: expect.stringContaining('10.0.0.1') } });
    });

    it('answers 500 rather than a body that does not fit the response schema', async () => {
      const response = await get('/things/unfit');
      expect(response.status).toBe(500);
      expect((await problemOf(response)).code).toBe('internal_error');
    });
  });

  describe('for operators', () => {
    it('serves metrics in Prometheus text', async () => {
      const response = await get('/metrics');
      expect(response.headers.get('content-type')).toContain('text/plain');
      expect(await response.text()).toContain('process_cpu_seconds_total');
    });

    it('is live, and ready only while every required dependency answers in time and it is not draining', async () => {
      const health = app.get(HealthRegistry);
      expect(await (await get('/health/live')).json()).toEqual({ status: 'live' });
      let fails = false;
      health.register('good', async () => 'v18');
      health.register('optional', () => Promise.reject(new Error('off')), { isRequired: false });
      health.register('flaky', () => (fails ? Promise.reject(new Error('refused')) : Promise.resolve()));
      const ready = await get('/health/ready');
      expect(ready.status).toBe(200);
      expect(await ready.json()).toMatchObject({
        status: 'ready',
        checks: { good: { ok: true, detail: 'v18' }, optional: { ok: false }, flaky: { ok: true } },
      });

      fails = true;
      health.register('silent', () => new Promise(() => {}), { timeoutMs: 20 });
      health.register('database', () => Promise.reject(Object.assign(new Error('no role x at 10.0.0.1'), { code: 'P2010' })));
      const notReady = await get('/health/ready');
      expect(notReady.status).toBe(503);
      expect(await notReady.json()).toMatchObject({
        status: 'not_ready',
        checks: {
          flaky: { ok: false, detail: 'refused' },
          silent: { ok: false, detail: 'no answer within 20 ms' },
          good: { ok: true },
          // The error of a driver names hosts and roles, and anyone may ask.
          database: { ok: false, detail: 'not usable; the log says why' },
        },
      });

      health.startDraining();
      expect(await (await get('/health/ready')).json()).toMatchObject({ status: 'draining' });
      expect((await get('/health/live')).status).toBe(200);
    });
  });

  it('can be walked for routes that declare too little', () => {
    const routes = walkRoutes(app);
    expect(routes.map((route) => `${route.method} ${route.path}`).sort()).toEqual([
      'GET /forgotten',
      'GET /health/live',
      'GET /health/ready',
      'GET /metrics',
      'GET /things',
      'GET /things/:id/mine',
      'GET /things/unfit',
      'GET /versioned',
      'PATCH /versioned',
      'POST /forgotten',
      'POST /things',
      'POST /things/slow',
    ]);
    expect(routes.flatMap(findUndeclared).sort()).toEqual([
      'GET /forgotten (ForgottenController.list) declares no access',
      'POST /forgotten (ForgottenController.create) declares no access',
      'POST /forgotten (ForgottenController.create) declares no response schema',
      'POST /forgotten (ForgottenController.create) takes its body without a schema',
    ]);
    expect(routes.find((route) => route.handler === 'ThingsController.mine')).toMatchObject({
      access: 'session',
      params: 'schema',
      body: 'none',
    });
  });
});
