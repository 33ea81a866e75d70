export interface StartOptions {
  fresh: boolean;
  host: string;
  ports: { gateway: number; controlPlane: number; metering: number; upstream: number };
  /** A real provider instead of the simulator. */
  provider: { baseUrl: string; credential: string } | null;
  external: { postgresUrl?: string; natsUrl?: string; redisUrl?: string };
}

/** A mistake of the user's; the message is a sentence that says what to do. */
export class StartRefused extends Error {}

const KNOWN_FLAGS = new Set(['--fresh', '--detach']);

/** Reads command line and environment; `DATABASE_URL`, `NATS_URL` and `REDIS_URL` name servers that somebody else runs. */
export function readOptions(args: string[], env: NodeJS.ProcessEnv): StartOptions {
  const unknown = args.find((arg) => !KNOWN_FLAGS.has(arg));
  if (unknown) throw new StartRefused(`Unknown option ${unknown}; there are ${[...KNOWN_FLAGS].join(' and ')}.`);
  return {
    fresh: args.includes('--fresh'),
    host: '127.0.0.1',
    ports: {
      gateway: readPort(env, 'GATEWAY_PORT', 4000),
      controlPlane: readPort(env, 'CONTROL_PLANE_PORT', 4100),
      metering: readPort(env, 'METERING_PORT', 4200),
      upstream: readPort(env, 'UPSTREAM_PORT', 4900),
    },
    provider: env['OPENAI_API_KEY']
      ? { baseUrl: env['OPENAI_BASE_URL'] || 'https://api.openai.com/v1', credential: 'env:OPENAI_API_KEY' }
      : null,
    external: {
      ...(env['DATABASE_URL'] && { postgresUrl: env['DATABASE_URL'] }),
      ...(env['NATS_URL'] && { natsUrl: env['NATS_URL'] }),
      ...(env['REDIS_URL'] && { redisUrl: env['REDIS_URL'] }),
    },
  };
}

function readPort(env: NodeJS.ProcessEnv, variable: string, fallback: number): number {
  const text = env[variable];
  if (text === undefined || text === '') return fallback;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new StartRefused(`${variable} is ${JSON.stringify(text)}; set it to a port between 1 and 65535.`);
}
