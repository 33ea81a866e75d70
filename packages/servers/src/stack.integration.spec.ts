import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findOnPath, prepareCommand } from './launcher.js';
import type { ManagedServer } from './managed-server.js';
import { startNats } from './nats.js';
import { poll } from './poll.js';
import { askPort } from './probe.js';
import { startRedis } from './redis.js';
import { type Stack, startStack } from './stack.js';

const folder = mkdtempSync(join(tmpdir(), 'servers-stack-'));

afterAll(() => rmSync(folder, { recursive: true }));

describe('the stack', () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await startStack({ folder: join(folder, 'all'), purpose: 'test' });
  });

  afterAll(() => stack.stop());

  it('runs PostgreSQL, NATS with JetStream and Redis on ports of their own', async () => {
    const ports = [stack.postgresUrl, stack.natsUrl, stack.redisUrl].map((url) => new URL(url).port);
    expect(new Set(ports).size).toBe(3);
    await askPort(Number(ports[1]), 'PING\r\n', /"jetstream":true/);
    await askPort(Number(ports[2]), 'PING\r\n', /\+PONG/);
  });

  it('leaves servers that somebody else runs alone', async () => {
    const external = { postgresUrl: stack.postgresUrl, natsUrl: stack.natsUrl, redisUrl: stack.redisUrl };
    const borrowed = await startStack({ folder: join(folder, 'none'), purpose: 'test', external });
    expect(borrowed.servers).toEqual([]);
    await borrowed.stop();
    await askPort(Number(new URL(stack.redisUrl).port), 'PING\r\n', /\+PONG/);
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });
});

describe('a private Redis', () => {
  it('with an append-only log keeps what it was told before kill -9', async () => {
    const server = await startRedis({ folder: join(folder, 'aof'), persistence: 'append-only' });
    await askPort(server.port, 'SET answer 42\r\n', /\+OK/);
    await server.kill();
    await server.restart();
    await askPort(server.port, 'GET answer\r\n', /42/);
    await server.stop();
  });

  it('without one forgets everything, which readers must notice by its run id', async () => {
    const server = await startRedis({ folder: join(folder, 'volatile'), persistence: 'none' });
    await askPort(server.port, 'SET answer 42\r\n', /\+OK/);
    await server.kill();
    await server.restart();
    await askPort(server.port, 'GET answer\r\n', /\$-1/);
    expect(readdirSync(join(folder, 'volatile'))).toEqual(['server.log']);
    await server.stop();
  });
});

describe('a machine without Redis', () => {
  const { PATH } = process.env;

  beforeAll(() => {
    process.env['PATH'] = '/nonexistent';
  });

  afterAll(() => {
    process.env['PATH'] = PATH;
  });

  it('gets a stand-in, and is told loudly that nothing measured with it counts', async () => {
    const warnings: string[] = [];
    const warn = (text: string) => void warnings.push(text);
    const server = await startRedis({ folder: join(folder, 'stand-in'), persistence: 'none', warn });
    await askPort(server.port, 'PING\r\n', /\+PONG/);
    await server.stop();
    expect(warnings).toEqual([expect.stringMatching(/^WARNING: no redis-server was found.*Install redis-server/)]);
  });
});

describe('a private NATS', () => {
  let server: ManagedServer;

  afterAll(() => server.stop());

  it('comes back on its port after kill -9', async () => {
    server = await startNats({ folder: join(folder, 'nats') });
    const { port } = server;
    await server.kill();
    await expect(askPort(port, 'PING\r\n', /INFO/)).rejects.toThrow('ECONNREFUSED');
    await server.restart();
    await askPort(port, 'PING\r\n', /"jetstream":true/);
  });
});

describe('a server whose starter is killed', () => {
  it('ends too, so that no run leaves one behind', async () => {
    expect(findOnPath('setpriv')).not.toBeNull();
    const { file, args } = prepareCommand({ file: '/bin/sleep', args: ['60'] }, 'TERM');
    const script = `const { spawn } = require('node:child_process');
      const child = spawn(${JSON.stringify(file)}, ${JSON.stringify(args)}, { detached: true, stdio: 'ignore' });
      console.log(child.pid); setInterval(() => {}, 1000);`;
    const starter = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = Number(await new Promise((resolve) => starter.stdout.once('data', (chunk) => resolve(String(chunk).trim()))));
    await poll(async () => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n', {
      timeoutMs: 20_000,
      failure: 'the child did not start',
    });
    starter.kill('SIGKILL');
    await poll(async () => !existsSync(`/proc/${pid}`), { timeoutMs: 20_000, failure: 'the child outlived its starter' });
  });
});
