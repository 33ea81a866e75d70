import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { startTracing } from './tracing.js';

const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

interface ExportedSpan {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  status: { code?: number; message?: string };
}
interface Export {
  resourceSpans: { resource: { attributes: unknown[] }; scopeSpans: { spans: ExportedSpan[] }[] }[];
}

async function startCollector() {
  const exports: { url: string; body: Export }[] = [];
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    exports.push({ url: req.url ?? '', body: JSON.parse(Buffer.concat(chunks).toString()) as Export });
    res.setHeader('content-type', 'application/json').end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { exports, endpoint, close: () => new Promise((resolve) => server.close(resolve)) };
}

describe('tracing', () => {
  it('without an endpoint does nothing', async () => {
    const tracing = await startTracing({ service: 'spec', endpoint: undefined });
    const span = tracing.startSpan('call', { parent: PARENT });
    expect(tracing.isEnabled).toBe(false);
    expect(span.traceparent).toBeUndefined();
    expect(tracing.startSpan('another')).toBe(span);
  });

  it('exports spans that continue the caller’s trace, at the latest at shutdown', async () => {
    const collector = await startCollector();
    const tracing = await startTracing({ service: 'spec', endpoint: `${collector.endpoint}/` });
    const parent = tracing.startSpan('call', { role: 'server', parent: PARENT });
    const child = tracing.startSpan('upstream', { role: 'client', parent: parent.traceparent });
    child.fail('timeout');
    child.end();
    parent.end();
    parent.end();
    tracing.startSpan('fresh', { parent: 'malformed' }).end();
    await tracing.shutdown();
    await collector.close();

    expect(collector.exports.map((exported) => exported.url)).toEqual(['/v1/traces']);
    const [exported] = (collector.exports[0] as { body: Export }).body.resourceSpans;
    expect(JSON.stringify(exported?.resource.attributes)).toContain('spec');
    const spans = new Map(exported?.scopeSpans[0]?.spans.map((span) => [span.name, span]));
    expect([...spans.keys()].sort()).toEqual(['call', 'fresh', 'upstream']);
    expect(spans.get('call')).toMatchObject({ traceId: PARENT.slice(3, 35), parentSpanId: PARENT.slice(36, 52) });
    expect(spans.get('upstream')).toMatchObject({
      traceId: PARENT.slice(3, 35),
      parentSpanId: spans.get('call')?.spanId,
      status: { message: 'timeout' },
    });
    expect(spans.get('fresh')?.traceId).not.toBe(PARENT.slice(3, 35));
    expect(child.traceparent).toBe(`00-${PARENT.slice(3, 35)}-${spans.get('upstream')?.spanId}-01`);
  });

  it('shuts down when its collector is not there', async () => {
    const collector = await startCollector();
    await collector.close();
    const tracing = await startTracing({ service: 'spec', endpoint: collector.endpoint });
    tracing.startSpan('lost').end();
    await expect(tracing.shutdown()).resolves.toBeUndefined();
  });
});
