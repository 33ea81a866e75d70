import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Body, Controller, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { findUndeclared, walkRoutes } from '@tensorloop/nest-kit/routes';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { startControlPlane, type TestControlPlane } from './control-plane.fixture.js';

/** What the product has; a walk that finds fewer is blind. Who may call which is in isolation-roles.integration.spec.ts. */
const ROUTES_MIN = 60;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

@Controller('planted')
class PlantedController {
  @Post()
  create(@Body() body: unknown): unknown {
    return body;
  }
}

@Module({ controllers: [PlantedController] })
class PlantedModule {}

describe('every route', () => {
  it('declares who may call it, what it takes and what it answers', () => {
    const routes = walkRoutes(plane.app);
    expect(routes.length).toBeGreaterThanOrEqual(ROUTES_MIN);
    expect(routes.flatMap(findUndeclared)).toEqual([]);
  });

  it('that declares nothing is found', async () => {
    const planted = await NestFactory.createApplicationContext(PlantedModule, { logger: false });
    expect(walkRoutes(planted).flatMap(findUndeclared)).toHaveLength(3);
    await planted.close();
  });
});

describe('operators', () => {
  it('find an index, health, readiness with each dependency, and metrics', async () => {
    const browser = plane.browser();
    const index = await browser.send<Record<'service' | 'docs' | 'openapi', string>>('GET', '/');
    expect(index.body.service).toBe('tensorloop control plane');
    for (const link of [index.body.docs, index.body.openapi])
      expect((await browser.send('GET', new URL(link).pathname)).status).toBe(200);
    expect((await browser.send('GET', '/health/live')).status).toBe(200);
    const ready = await waitUntil(
      async () => {
        const answer = await browser.send<{ checks: Record<string, { ok: boolean }> }>('GET', '/health/ready');
        return answer.status === 200 ? answer.body : null;
      },
      { what: 'readiness' },
    );
    expect(Object.keys(ready.checks).sort()).toEqual([
      'model_catalogue',
      'model_catalogue_file',
      'nats',
      'postgres',
      'postgres_operator',
      'postgres_relay',
      'redis',
      'rpc',
    ]);
    expect(Object.values(ready.checks).every(({ ok }) => ok)).toBe(true);
    const metrics = await browser.send('GET', '/metrics');
    const measured = metrics.text
      .split('\n')
      .some(
        (line) =>
          line.startsWith('tensorloop_http_request_duration_seconds_count{') &&
          line.includes('route="/health/ready",status="200"'),
      );
    expect(measured).toBe(true);
  });

  it('find a request in the log by the id its answer carried', async () => {
    const { headers } = await plane.browser().send('GET', '/api/me');
    const requestId = headers.get('x-request-id') as string;
    await waitUntil(() => plane.logLines.some((line) => line.includes(requestId) && line.includes('"msg":"request"')), {
      what: 'the log line',
    });
  });

  it("never see a caller's own request id as identity", async () => {
    const { headers } = await plane.browser().send('GET', '/api/me', { headers: { 'x-request-id': 'mine' } });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });
});

describe('over https', () => {
  it('the cookie is Secure and bound to the host', async () => {
    const secure = await startControlPlane({ PUBLIC_URL: 'https://dashboard.example.com' });
    const { headers } = await secure.browser().send('POST', '/api/auth/sign-up', {
      body: { email: 'a@example.com', password: 'long enough' },
      headers: { origin: 'https://dashboard.example.com' },
    });
    expect(headers.getSetCookie()[0]).toMatch(/^__Host-tl_session=[\w-]{43}; .*Path=\/; .*HttpOnly; Secure; SameSite=Lax$/);
    await secure.close();
  });
});
