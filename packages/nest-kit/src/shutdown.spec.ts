import 'reflect-metadata';
import { EventEmitter, once } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type INestApplicationContext, Injectable, Module, type OnModuleDestroy } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createLogger } from '@tensorloop/observability/logger';
import { HealthModule, HealthRegistry } from './health.js';
import { type ShutdownOptions, shutDownOnSignals } from './shutdown.js';

let destroy: () => Promise<void> = () => Promise.resolve();

@Injectable()
class Feature implements OnModuleDestroy {
  onModuleDestroy(): Promise<void> {
    return destroy();
  }
}

@Module({ imports: [HealthModule], providers: [Feature] })
class FeatureModule {}

class FakeProcess extends EventEmitter {
  exit(code: number): void {
    this.emit('exited', code);
  }
}

describe('a shutdown', () => {
  let host: FakeProcess;
  let lines: string[];
  let app: INestApplicationContext;

  beforeEach(() => {
    host = new FakeProcess();
    lines = [];
    destroy = () => Promise.resolve();
  });

  const start = async (options: Partial<ShutdownOptions> = {}) => {
    app = await NestFactory.createApplicationContext(FeatureModule, { logger: false });
    const logger = createLogger({ service: 'spec', destination: { write: (line: string) => lines.push(line) } });
    shutDownOnSignals({ app, logger, host, ...options });
  };
  const signalled = async (...signals: string[]) => {
    const exited = once(host, 'exited');
    for (const signal of signals) host.emit(signal);
    return (await exited)[0] as number;
  };

  it('is not ready first, closes the app, then what comes after it, and exits 0', async () => {
    const steps: string[] = [];
    destroy = async () => {
      steps.push((await app.get(HealthRegistry).readiness()).status);
    };
    await start({ afterClose: async () => void steps.push('after') });
    expect(await signalled('SIGTERM')).toBe(0);
    expect(steps).toEqual(['draining', 'after']);
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['shutting down', 'stopped']);
  });

  it('is done once however many signals come', async () => {
    let closes = 0;
    destroy = async () => {
      closes++;
    };
    await start();
    expect(await signalled('SIGINT', 'SIGTERM', 'SIGINT', 'SIGINT')).toBe(0);
    expect(closes).toBe(1);
    expect(host.listenerCount('SIGINT')).toBe(1);
  });

  it('exits 1 when something does not end before the deadline', async () => {
    destroy = () => new Promise(() => {});
    await start({ deadlineMs: 20 });
    expect(await signalled('SIGTERM')).toBe(1);
  });

  it('exits 1 when something fails to close', async () => {
    await start({ afterClose: () => Promise.reject(new Error('no')) });
    expect(await signalled('SIGTERM')).toBe(1);
    expect(lines.at(-1)).toContain('stopped with an error');
  });
});
