import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, type INestApplication, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { ExpressAdapter } from '@nestjs/platform-express';
import { rpcFailureSchema } from '@tensorloop/contracts/rpc';
import type { NatsLink } from '@tensorloop/messaging/connection';
import { createLogger } from '@tensorloop/observability/logger';
import type { ManagedServer } from '@tensorloop/servers/managed-server';
import { startNats } from '@tensorloop/servers/nats';
import { poll } from '@tensorloop/servers/poll';
import { z } from 'zod';
import { HealthModule, HealthRegistry } from './health.js';
import { LoggingModule } from './logging.js';
import { NATS_CONNECTION, NatsModule } from './nats.js';
import { defineProblems } from './problem.js';
import { defineRpc, RpcClient, rpcServerOptions } from './rpc.js';
import { RpcResponder } from './rpc-responder.js';

const problems = defineProblems({ sum_too_large: { kind: 'limit_reached', text: 'The sum is too large.' } });
const requestSchema = z.object({ left: z.number(), right: z.number() });
const replySchema = z.union([z.object({ ok: z.literal(true), sum: z.number() }), rpcFailureSchema]);
const sumRpc = defineRpc('spec.sum.get.v1', requestSchema, replySchema);
const brokenReplyRpc = defineRpc('spec.broken-reply.get.v1', requestSchema, replySchema);
const rawRpc = defineRpc('spec.raw.get.v1', requestSchema, replySchema);
const silentRpc = defineRpc('spec.silent.get.v1', requestSchema, replySchema);
const throwingRpc = defineRpc('spec.throwing.get.v1', requestSchema, replySchema);
const nobodyRpc = defineRpc('spec.nobody.get.v1', requestSchema, replySchema);

@Controller()
class SumController {
  constructor(@Inject(RpcResponder) private readonly responder: RpcResponder) {}

  @MessagePattern(sumRpc.pattern)
  get(@Payload() payload: unknown) {
    return this.responder.answer(sumRpc, payload, async ({ left, right }) => {
      if (left === 13) throw new Error('password=hunter2');
      if (left + right > 1_000) throw problems.sum_too_large();
      return { ok: true, sum: left + right };
    });
  }

  @MessagePattern(brokenReplyRpc.pattern)
  brokenReply(@Payload() payload: unknown) {
    return this.responder.answer(brokenReplyRpc, payload, async () => ({ ok: true, sum: 'many' as unknown as number }));
  }

  @MessagePattern(rawRpc.pattern)
  raw() {
    return { unexpected: true };
  }

  @MessagePattern(silentRpc.pattern)
  silent() {
    return new Promise(() => {});
  }

  @MessagePattern(throwingRpc.pattern)
  throwing() {
    throw new Error('password=hunter2');
  }
}

const logLines: string[] = [];

function sumModule(url: string) {
  @Module({
    imports: [
      LoggingModule.forRoot(createLogger({ service: 'spec', destination: { write: (line: string) => logLines.push(line) } })),
      HealthModule,
      NatsModule.forRoot({ url, name: 'spec' }),
    ],
    controllers: [SumController],
    providers: [RpcResponder],
  })
  class SumModule {}
  return SumModule;
}

describe('RPC between services', () => {
  let folder: string;
  let nats: ManagedServer;
  let app: INestApplication;
  let client: RpcClient;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tensorloop-nest-kit-'));
    nats = await startNats({ folder });
    app = await NestFactory.create(sumModule(nats.url), new ExpressAdapter(), { logger: false });
    app.connectMicroservice(rpcServerOptions({ url: nats.url, name: 'spec' }));
    await app.startAllMicroservices();
    await app.init();
    client = new RpcClient({ url: nats.url, name: 'caller' });
  });

  afterAll(async () => {
    await client.close();
    await app.close();
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('returns the callee’s typed reply', async () => {
    const reply = await client.call(
      sumRpc,
      { left: 2, right: 3 },
      { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' },
    );
    expect(reply).toEqual({ ok: true, sum: 5 });
  });

  it('returns an expected failure as its code and public text', async () => {
    expect(await client.call(sumRpc, { left: 999, right: 2 })).toEqual({
      ok: false,
      code: 'sum_too_large',
      message: 'The sum is too large.',
    });
  });

  it('tells nothing of an unexpected failure, and logs it', async () => {
    const reply = await client.call(sumRpc, { left: 13, right: 0 });
    expect(reply).toEqual({ ok: false, code: 'internal_error', message: 'the service failed' });
    expect(logLines.join('')).toContain('spec.sum.get.v1');
  });

  it('refuses a payload that does not fit, on both sides', async () => {
    const unchecked = { ...sumRpc, request: z.any() };
    expect(await client.call(unchecked, { left: 'two' })).toMatchObject({ ok: false, code: 'invalid_request' });
    await expect(client.call(sumRpc, { left: 'two' as unknown as number, right: 1 })).rejects.toThrow();
  });

  it.each([
    ['a reply that breaks its contract at the callee', brokenReplyRpc, 'internal_error'],
    ['a reply that breaks its contract at the caller', rawRpc, 'rpc_invalid_reply'],
    ['a callee that throws past its responder', throwingRpc, 'internal_error'],
    ['a callee that never answers', silentRpc, 'rpc_timeout'],
    ['a callee that does not exist', nobodyRpc, 'rpc_unreachable'],
  ])('reports %s as a value', async (_what, contract, code) => {
    const reply = await client.call(contract, { left: 1, right: 1 }, { timeoutMs: 300 });
    expect(reply).toMatchObject({ ok: false, code });
    expect(JSON.stringify(reply)).not.toContain('hunter2');
  });

  it('fails fast while NATS is down, shows it in readiness, and works again afterwards', async () => {
    const health = app.get(HealthRegistry);
    expect((await health.readiness()).status).toBe('ready');
    await nats.kill();
    await poll(async () => (await health.readiness()).status === 'not_ready', { timeoutMs: 20_000, failure: 'still ready' });
    expect(await client.call(sumRpc, { left: 1, right: 1 }, { timeoutMs: 500 })).toMatchObject({
      ok: false,
      code: expect.stringMatching(/^rpc_/),
    });
    await nats.restart();
    await poll(async () => (await client.call(sumRpc, { left: 1, right: 1 }, { timeoutMs: 500 })).ok, {
      timeoutMs: 20_000,
      failure: 'no answer',
    });
    await poll(async () => (await health.readiness()).status === 'ready', { timeoutMs: 20_000, failure: 'not ready' });
  });

  it('closes the NATS connection when the app has closed, and not before its hooks have run', async () => {
    let wasOpenInHook = false;
    const other = await NestFactory.create(sumModule(nats.url), new ExpressAdapter(), { logger: false });
    await other.init();
    const connection = other.get<Awaited<NatsLink['ready']>>(NATS_CONNECTION);
    const registry = other.get(HealthRegistry);
    const original = registry.onModuleDestroy.bind(registry);
    registry.onModuleDestroy = () => {
      wasOpenInHook = !connection.isClosed();
      original();
    };
    await other.close();
    expect(wasOpenInHook).toBe(true);
    expect(connection.isClosed()).toBe(true);
  });
});
