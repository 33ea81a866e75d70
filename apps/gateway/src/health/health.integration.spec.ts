import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

let fixture: GatewayFixture;
let collector: Server;
/** What a collector of traces was sent. */
let traces = '';

beforeAll(async () => {
  collector = createServer(async (req, res) => {
    for await (const chunk of req) traces += chunk;
    res.end('{}');
  });
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  fixture = await GatewayFixture.start();
  fixture.environment = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}` };
  await fixture.gateway.stop();
  await fixture.restartGateway();
});

afterAll(async () => {
  await fixture?.stop();
  collector?.close();
});

describe('an operator', () => {
  it('sees each dependency, and a missing NATS without losing the gateway', async () => {
    const ready = await fetch(`${fixture.url}/health/ready`);
    expect(await ready.json()).toMatchObject({
      status: 'ready',
      checks: { admission: { ok: true }, redis: { ok: true }, nats: { ok: true } },
    });
    await fixture.nats.server.stop();
    const state = await waitUntil(async () => {
      const response = await fetch(`${fixture.url}/health/ready`);
      const body = (await response.json()) as { checks: { nats: { ok: boolean } } };
      return body.checks.nats.ok ? null : { status: response.status, body };
    });
    expect(state).toMatchObject({ status: 200, body: { status: 'ready' } });
    await fixture.nats.server.restart();
  });

  it('reads calls, refusals and latencies as metrics', async () => {
    const key = await fixture.addKey();
    await fixture.chat(key, {});
    await fixture.chat(key, { model: 'nowhere' });
    const text = await (await fetch(`${fixture.url}/metrics`)).text();
    expect(text).toMatch(/tensorloop_gateway_calls_total\{outcome="completed",service="gateway"\} 1\n/);
    expect(text).toMatch(/tensorloop_gateway_refusals_total\{code="model_not_allowed",service="gateway"\} 1\n/);
    expect(text).toMatch(/tensorloop_gateway_admission_seconds_count\{service="gateway"\} 1\n/);
    expect(text).not.toContain('nowhere');
  });

  it('finds a call in the trace of its client', async () => {
    const key = await fixture.addKey();
    const headers = {
      authorization: `Bearer ${key.text}`,
      'content-type': 'application/json',
      traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01`,
    };
    expect((await fixture.chat(key, {}, { headers })).status).toBe(200);
    await waitUntil(() => traces.includes(TRACE_ID) && traces.includes('upstream attempt'), {
      what: 'the trace',
    });
    expect(traces).toContain('POST /v1/chat/completions');
    expect(traces).not.toContain(key.text);
  });
});
