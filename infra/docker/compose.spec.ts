import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '../..');
const APPS = ['gateway', 'control-plane', 'metering', 'upstream-sim'];
const DATABASE_URL_VARIABLES = ['DATABASE_URL', 'RELAY_DATABASE_URL', 'OPERATOR_DATABASE_URL', 'INGEST_DATABASE_URL'];

interface Service {
  image: string;
  command?: string[];
  build?: { context: string; dockerfile: string };
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  ports?: string[];
  volumes?: string[];
  healthcheck?: object;
}
interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
}

const compose = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }) as Compose;
const namesIn = (file: string, pattern: RegExp) =>
  [...readFileSync(join(ROOT, file), 'utf8').matchAll(pattern)].map(([, name]) => name as string);
const exampleVariables = namesIn('.env.example', /^([A-Z_]+)=/gm);
const service = (name: string) => compose.services[name] as Service;

/** As compose does it, with every variable of .env.example filled in, and those that are given. */
function interpolate(text: string, given: Record<string, string> = {}): string {
  return text.replaceAll(/\$\{([A-Z_]+)((?::[-?])?)([^}]*)\}/g, (...[, name = '', operator, rest]: string[]) => {
    if (given[name] !== undefined) return given[name];
    if (exampleVariables.includes(name)) return `${name.toLowerCase()}-0123456789abcdef`;
    if (operator === ':-') return rest ?? '';
    throw new Error(`${name} has neither a default nor a line in .env.example`);
  });
}

function environmentOf(name: string, given: Record<string, string> = {}): Record<string, string> {
  const entries = Object.entries(service(name).environment ?? {}).map(([key, value]) => [key, interpolate(value, given)]);
  return Object.fromEntries(entries) as Record<string, string>;
}

/** The schema that the service itself reads its environment with. */
async function parseConfig(app: string, environment: Record<string, string>): Promise<Record<string, unknown>> {
  const module = await import(`../../apps/${app}/src/config.js`);
  if (module.loadConfig) return module.loadConfig(environment);
  const { loadConfig } = await import('../../packages/nest-kit/src/config.js');
  return loadConfig(module.configSchema, environment) as Record<string, unknown>;
}

describe('docker-compose.yml', () => {
  it.each(APPS)('gives %s an environment that it accepts', async (app) => {
    await expect(parseConfig(app, environmentOf(app))).resolves.toBeDefined();
  });

  it('runs the gateway with the flags that `npm start` and the bench run it with', async () => {
    const { GATEWAY_NODE_ARGS } = await import('../../packages/servers/src/service.js');
    expect(service('gateway').command).toEqual(['node', ...GATEWAY_NODE_ARGS, '--enable-source-maps', 'dist/main.js']);
  });

  it.each([...APPS, 'scripts'])(
    'builds %s by a Dockerfile in its folder that differs from the others in two names alone',
    (name) => {
      const folder = name === 'scripts' ? name : `apps/${name}`;
      const { build } = service(name === 'scripts' ? 'migrate' : name);
      expect(build).toEqual({ context: '.', dockerfile: `${folder}/Dockerfile` });
      const lines = readFileSync(join(ROOT, folder, 'Dockerfile'), 'utf8').split('\n');
      expect(lines).toContain(`ARG SERVICE=${name}`);
      expect(lines).toContain(`ARG FOLDER=${folder}`);
      const model = readFileSync(join(ROOT, 'apps/gateway/Dockerfile'), 'utf8').split('\n');
      const isOwn = (line: string) => /^(ARG (SERVICE|FOLDER)=|# docker build )/.test(line);
      expect(lines.filter((line) => !isOwn(line))).toEqual(model.filter((line) => !isOwn(line)));
    },
  );

  it('publishes the ports that the services listen on, and on this machine only', () => {
    const published = APPS.flatMap((app) => (service(app).ports ?? []).map((port) => [app, interpolate(port)] as const));
    expect(published.length).toBe(2);
    for (const [app, port] of published)
      expect(port).toMatch(new RegExp(`^127\\.0\\.0\\.1:\\d+:${environmentOf(app)['PORT']}$`));
  });

  it('agrees about who listens where', () => {
    expect(environmentOf('migrate')['UPSTREAM_BASE_URL']).toBe(
      `http://upstream-sim:${environmentOf('upstream-sim')['PORT']}/v1`,
    );
    expect(readFileSync(join(ROOT, 'infra/nats/nats.conf'), 'utf8')).toMatch(/^port: 4222$/m);
    for (const app of ['gateway', 'control-plane', 'metering']) expect(environmentOf(app)['NATS_URL']).toBe('nats://nats:4222');
    expect(environmentOf('gateway')['KEY_PEPPER']).toBe(environmentOf('control-plane')['KEY_PEPPER']);
    expect(environmentOf('gateway')['PUBLIC_URL']).toBe(environmentOf('control-plane')['GATEWAY_URL']);
  });

  it('is told by .env what its services are called from outside, both of them the same', async () => {
    const given = { DASHBOARD_URL: 'https://app.example.com', GATEWAY_URL: 'https://api.example.com' };
    const control = await parseConfig('control-plane', environmentOf('control-plane', given));
    const gateway = await parseConfig('gateway', environmentOf('gateway', given));
    expect([control['PUBLIC_URL'], control['GATEWAY_URL']]).toEqual([given.DASHBOARD_URL, given.GATEWAY_URL]);
    expect([gateway['DASHBOARD_URL'], gateway['PUBLIC_URL']]).toEqual([given.DASHBOARD_URL, given.GATEWAY_URL]);
  });

  it('lets the pepper be rotated, and has none but the one until then', async () => {
    const settings = async (given?: Record<string, string>) => [
      (await parseConfig('gateway', environmentOf('gateway', given)))['KEY_PEPPER_PREVIOUS'],
      (await parseConfig('control-plane', environmentOf('control-plane', given)))['KEY_PEPPER_VERSION'],
    ];
    expect(await settings()).toEqual([undefined, 1]);
    const given = { KEY_PEPPER_PREVIOUS: 'the-pepper-before-this', KEY_PEPPER_VERSION: '2' };
    expect(await settings(given)).toEqual(['the-pepper-before-this', 2]);
  });

  it('takes the settings that .env.example names, and no others', () => {
    const taken = new Set(namesIn('docker-compose.yml', /\$\{([A-Z_]+)/g));
    const named = namesIn('.env.example', /^(?:# )?([A-Z_]+)=/gm);
    expect(named.toSorted()).toEqual([...taken].toSorted());
  });

  it('signs every service in with the password that its role was given', () => {
    const migrate = environmentOf('migrate');
    const urls = APPS.flatMap((app) =>
      DATABASE_URL_VARIABLES.map((name) => environmentOf(app)[name]).filter((url) => url !== undefined),
    );
    expect(urls.length).toBe(5);
    for (const url of urls) {
      const { username, password, hostname, pathname } = new URL(url);
      expect(password).toBe(migrate[`${username.toUpperCase()}_PASSWORD`]);
      expect([hostname, pathname]).toEqual(['postgres', '/tensorloop']);
    }
    expect(new URL(migrate['SUPERUSER_DATABASE_URL'] as string).password).toBe(environmentOf('postgres')['POSTGRES_PASSWORD']);
  });

  it('gives the gateway no way to a database', () => {
    expect(Object.values(environmentOf('gateway')).filter((value) => value.includes('postgres'))).toEqual([]);
  });

  it('keeps everything that must survive in named volumes', () => {
    const mounted = Object.values(compose.services).flatMap((entry) => entry.volumes ?? []);
    const named = mounted.map((volume) => volume.split(':')[0] as string).filter((source) => !source.startsWith('.'));
    expect(named.sort()).toEqual(Object.keys(compose.volumes).sort());
    const journalVolume = service('gateway').volumes?.[0]?.split(':')[1];
    expect(environmentOf('gateway')['JOURNAL_DIR']).toMatch(new RegExp(`^${journalVolume}/`));
  });

  it('waits for nothing that is never healthy', () => {
    for (const [name, { depends_on = {} }] of Object.entries(compose.services)) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        expect([name, other, compose.services[other]]).not.toContain(undefined);
        // Our images carry their own health check.
        if (condition === 'service_healthy') expect(service(other).healthcheck ?? service(other).build).toBeDefined();
      }
    }
  });
});
