import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isGone } from '@tensorloop/servers/pids';
import { freePort } from '@tensorloop/testing/free-port';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { MailListener } from './mail-listener.js';

const ROOT = join(import.meta.dirname, '../../..');
const RUN_TIMEOUT_MS = 480_000;
const WARM_START_MS_MAX = 10_000;
/** Where a Node process that does nothing takes longer to start than on a machine in peace, the whole may as well. */
const BARE_STARTS_MAX = 150;
const PORT_VARIABLES = ['GATEWAY_PORT', 'CONTROL_PLANE_PORT', 'METERING_PORT', 'UPSTREAM_PORT'] as const;

function msOf(work: () => void): number {
  const begin = performance.now();
  work();
  return performance.now() - begin;
}

describe('npm start, npm run stop', () => {
  const dataFolder = makeTestFolder('start');
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    const ports = await Promise.all(PORT_VARIABLES.map(async (name) => [name, String(await freePort())]));
    // The caller's own servers and credentials are none of this test's business.
    const { NODE_OPTIONS, OPENAI_API_KEY, DATABASE_URL, NATS_URL, REDIS_URL, SMTP_URL, GOOGLE_CLIENT_ID, ...inherited } =
      process.env;
    env = { ...inherited, ...Object.fromEntries(ports), TENSORLOOP_DATA_DIR: dataFolder };
    startWhole();
  }, RUN_TIMEOUT_MS);

  afterAll(() => {
    run('stop');
    removeTestFolder(dataFolder);
  }, RUN_TIMEOUT_MS);

  function run(...args: string[]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/run.mjs', ...args], {
      cwd: ROOT,
      env,
      encoding: 'utf8',
      timeout: RUN_TIMEOUT_MS,
    });
    return { status, output: stdout + stderr };
  }

  /** A start that must succeed; when it does not, its output is the failure. */
  function startWhole(): void {
    const { status, output } = run('start', '--detach');
    if (status !== 0) throw new Error(`npm start ended with ${status}:\n${output}`);
  }

  const dataFile = (name: string) => join(dataFolder, name);
  const readJson = (name: string) => JSON.parse(readFileSync(dataFile(name), 'utf8'));

  async function chat(): Promise<Response> {
    const { gatewayUrl, apiKey } = readJson('start.json');
    return fetch(`${gatewayUrl}/v1/chat/completions`, {
      method: 'POST',
      // A kept-alive connection would be one to the gateway of before the restart.
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 16 }),
    });
  }

  it('describes what runs, and the key in it works', async () => {
    const start = readJson('start.json');
    expect(start).toEqual({
      gatewayUrl: `http://localhost:${env['GATEWAY_PORT']}`,
      controlPlaneUrl: `http://localhost:${env['CONTROL_PLANE_PORT']}`,
      meteringUrl: `http://localhost:${env['METERING_PORT']}`,
      dashboardUrl: `http://localhost:${env['CONTROL_PLANE_PORT']}`,
      upstreamUrl: `http://127.0.0.1:${env['UPSTREAM_PORT']}/v1`,
      email: expect.stringContaining('@'),
      password: expect.any(String),
      apiKey: expect.stringMatching(/^tl_[0-9A-Za-z]{57}$/),
      ready: true,
    });
    const response = await chat();
    expect([response.status, await response.json()]).toEqual([200, expect.objectContaining({ object: 'chat.completion' })]);
  });

  it('keeps secrets readable by their owner only', () => {
    for (const name of ['start.json', 'stack.json', 'secrets.json']) expect(statSync(dataFile(name)).mode & 0o777).toBe(0o600);
  });

  it(
    'says so when it runs already, and leaves what runs alone',
    async () => {
      const { status, output } = run('start', '--detach');
      expect(status).toBe(1);
      expect(output).toContain('TensorLoop already runs');
      expect((await chat()).status).toBe(200);
    },
    RUN_TIMEOUT_MS,
  );

  it(
    'stops everything, and starts warm within ten seconds with the same key',
    async () => {
      const { apiKey } = readJson('start.json');
      const pids = Object.values(readJson('stack.json').pids) as number[];
      expect(run('stop')).toEqual({ status: 0, output: 'TensorLoop has stopped.\n' });
      expect(pids.filter((pid) => !isGone(pid))).toEqual([]);
      expect(existsSync(dataFile('start.json'))).toBe(false);
      const bareMs = msOf(() => spawnSync(process.execPath, ['--eval', '0']));
      expect(msOf(startWhole)).toBeLessThan(Math.max(WARM_START_MS_MAX, BARE_STARTS_MAX * bareMs));
      expect(readJson('start.json').apiKey).toBe(apiKey);
      expect((await chat()).status).toBe(200);
    },
    RUN_TIMEOUT_MS,
  );

  it(
    'ends as a whole when one of its services dies',
    async () => {
      const { pids } = readJson('stack.json') as { pids: { metering: number; [name: string]: number } };
      process.kill(pids.metering, 'SIGKILL');
      await waitUntil(() => Object.values(pids).every(isGone), {
        what: 'every process to end',
      });
      expect(readFileSync(dataFile('logs/start.log'), 'utf8')).toContain('metering was ended by SIGKILL unexpectedly');
      expect(existsSync(dataFile('start.json'))).toBe(false);
    },
    RUN_TIMEOUT_MS,
  );

  it(
    'sends mails with the SMTP_URL of the shell, lets the demo account in all the same, and says what is on',
    async () => {
      run('stop');
      const mails = await MailListener.start();
      const own = { ...env, SMTP_URL: mails.url, MAIL_FROM: 'TensorLoop <no-reply@example.com>' };
      // In the background: a mail that is sent meanwhile must be answered.
      const output = await new Promise<string>((resolve) => {
        const args = ['scripts/run.mjs', 'start', '--detach', '--fresh'];
        execFile(process.execPath, args, { cwd: ROOT, env: own, timeout: RUN_TIMEOUT_MS }, (_, stdout, stderr) =>
          resolve(stdout + stderr),
        );
      });
      expect(output).toContain('sent as TensorLoop <no-reply@example.com>');
      expect(output).toContain('off: no sign-in with Google');
      const { controlPlaneUrl, email, password } = readJson('start.json');
      const post = (path: string, body: object) =>
        fetch(`${controlPlaneUrl}/api/auth/${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', origin: controlPlaneUrl },
          body: JSON.stringify(body),
        });
      expect((await post('sign-in', { email, password })).status).toBe(200);
      expect((await chat()).status).toBe(200);
      const address = 'somebody-new@example.com';
      expect((await post('sign-up', { email: address, password: 'correct horse battery' })).status).toBe(202);
      expect(await mails.mailWith(address)).toContain(controlPlaneUrl);
      run('stop');
      await mails.stop();
    },
    2 * RUN_TIMEOUT_MS,
  );

  it(
    'names port, variable and remedy when a port is taken',
    async () => {
      const squatter = createServer();
      await new Promise<void>((resolve) => squatter.listen(Number(env['CONTROL_PLANE_PORT']), '127.0.0.1', resolve));
      const { status, output } = run('start', '--detach');
      await new Promise((resolve) => squatter.close(resolve));
      expect(status).toBe(1);
      expect(output).toContain(
        `Port ${env['CONTROL_PLANE_PORT']}, which the control plane needs, is taken. Set CONTROL_PLANE_PORT`,
      );
    },
    RUN_TIMEOUT_MS,
  );
});
