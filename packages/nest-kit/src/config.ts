import { LOG_LEVELS } from '@tensorloop/observability/logger';
import { z } from 'zod';

const EXIT_INVALID_CONFIG = 1;
const PORT_MAX = 65_535;

/** Every violation at once, one line each. Values are never printed: the environment holds secrets. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly violations: readonly string[]) {
    super(`the environment is not valid:\n${violations.map((violation) => `  - ${violation}`).join('\n')}`);
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the settings; an empty variable counts as unset. Throws ConfigError that lists every violation. */
export function loadConfig<Schema extends z.ZodType>(schema: Schema, env: Environment): z.output<Schema> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  throw new ConfigError(result.error.issues.map((issue) => describeIssue(issue, given)));
}

/** For `main.ts`: prints every violation to standard error and ends the process with status 1. */
export function loadConfigOrExit<Schema extends z.ZodType>(schema: Schema, env: Environment): z.output<Schema> {
  try {
    return loadConfig(schema, env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return process.exit(EXIT_INVALID_CONFIG);
  }
}

function describeIssue(issue: z.core.$ZodIssue, given: Record<string, unknown>): string {
  const name = issue.path.map(String).join('.');
  if (name === '') return issue.message;
  return name in given ? `${name}: ${issue.message}` : `${name} is not set`;
}

export const portSchema = z.coerce
  .number('expected a port number')
  .int('expected a port number')
  .min(0, 'expected a port number')
  .max(PORT_MAX, 'expected a port number');

/** A URL of one of the schemes ("nats", "postgresql"). */
export function urlOf(...schemes: string[]) {
  return z.string().refine((text) => URL.canParse(text) && schemes.includes(new URL(text).protocol.slice(0, -1)), {
    error: `expected a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
  });
}

/** One or several NATS servers, separated by commas. */
const natsUrlSchema = z
  .string()
  .refine((text) => text.split(',').every((server) => urlOf('nats', 'tls').safeParse(server.trim()).success), {
    error: 'expected nats://host:port, several separated by commas',
  });

/** Settings that every service has; spread into its own: `z.object({ ...serviceEnvironment(4200), … })`. */
export function serviceEnvironment(defaultPort: number) {
  return {
    PORT: portSchema.default(defaultPort),
    HOST: z.string().default('127.0.0.1'),
    NATS_URL: natsUrlSchema,
    LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
    OTEL_EXPORTER_OTLP_ENDPOINT: urlOf('http', 'https').optional(),
  };
}
