import { join } from 'node:path';
import { type SourceProcess, startSource } from '@tensorloop/testing/source-process';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { PEPPER, TestBrowser, type TestControlPlane } from './control-plane.fixture.js';

const MAIN = join(import.meta.dirname, 'main.ts');

/** A second control plane on the servers of the first, as a process of its own: one in which something fails. */
export class Victim {
  private constructor(
    private readonly source: SourceProcess,
    private readonly url: string,
  ) {}

  static async start({ context: { config }, nats, redisServer }: TestControlPlane, failPoints: string): Promise<Victim> {
    const environment = {
      PORT: '0',
      NATS_URL: nats.url,
      REDIS_URL: redisServer.url,
      DATABASE_URL: config.DATABASE_URL,
      RELAY_DATABASE_URL: config.RELAY_DATABASE_URL,
      OPERATOR_DATABASE_URL: config.OPERATOR_DATABASE_URL,
      KEY_PEPPER: PEPPER,
      GATEWAY_URL: config.GATEWAY_URL,
      FAIL_POINTS: failPoints,
    };
    const source = await startSource(MAIN, environment, 'listening');
    return new Victim(source, String(source.started.url).replace('[::1]', '127.0.0.1'));
  }

  /** A browser at this process with the session of another. */
  browserLike({ cookie }: TestBrowser): TestBrowser {
    const copy = new TestBrowser(this.url);
    copy.cookie = cookie;
    return copy;
  }

  /** Resolves once the process was killed, by its own fail point. */
  async killed(where: string): Promise<void> {
    await waitUntil(() => this.source.child.signalCode === 'SIGKILL', { what: `the death at ${where}` });
  }

  stop(): Promise<void> {
    return this.source.stop('SIGKILL');
  }
}
