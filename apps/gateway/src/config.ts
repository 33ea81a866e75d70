import { CALL_TIMEOUT_MS } from '@tensorloop/admission/redis-options';
import { loadConfigOrExit, serviceEnvironment, urlOf } from '@tensorloop/nest-kit/config';
import { faultEnvironment, refuseFaultsInProduction } from '@tensorloop/nest-kit/faults';
import { z } from 'zod';

const DEFAULT_PORT = 4_000;
const PEPPER_LENGTH_MIN = 16;

const DRAIN_MS_DEFAULT = 15_000;
const DRAIN_MS_MAX = 600_000;

const REDIS_CALL_MS_MIN = 10;
const REDIS_CALL_MS_MAX = 5_000;

const LATE_MS_DEFAULT = 20;
const LATE_MS_MAX = 60_000;

export const configSchema = z
  .object({
    ...serviceEnvironment(DEFAULT_PORT),
    ...faultEnvironment('gateway'),
    REDIS_URL: urlOf('redis', 'rediss'),
    /** Secret of the key hashes; the same for every gateway and the control plane. */
    KEY_PEPPER: z.string().min(PEPPER_LENGTH_MIN, `expected at least ${PEPPER_LENGTH_MIN} characters`),
    /** While peppers are rotated: the one before (docs/runbooks/pepper-rotation.md). */
    KEY_PEPPER_PREVIOUS: z.string().min(PEPPER_LENGTH_MIN, `expected at least ${PEPPER_LENGTH_MIN} characters`).optional(),
    /** One folder per gateway, on a local disk that survives restarts. */
    JOURNAL_DIR: z.string(),
    /** Minted at the first start and kept in the journal folder when not given. */
    GATEWAY_ID: z
      .string()
      .regex(/^[a-z0-9-]{1,64}$/, 'expected 1 to 64 of a–z, 0–9 and "-"')
      .optional(),
    /** How long a shutdown waits for open calls before it ends them. */
    DRAIN_MS: z.coerce.number('expected milliseconds').int().min(0).max(DRAIN_MS_MAX).default(DRAIN_MS_DEFAULT),
    /** How long a call waits for Redis before it is answered 503. */
    REDIS_CALL_MS: z.coerce
      .number('expected milliseconds')
      .int()
      .min(REDIS_CALL_MS_MIN)
      .max(REDIS_CALL_MS_MAX)
      .default(CALL_TIMEOUT_MS),
    /** Lateness of the event loop, and wait for admission, above which new calls are refused more and more. */
    LATE_MS: z.coerce.number('expected milliseconds').int().min(1).max(LATE_MS_MAX).default(LATE_MS_DEFAULT),
    /** Shown to callers who used a wrong address: where the inference API and the dashboard live. */
    PUBLIC_URL: urlOf('http', 'https').default('http://127.0.0.1:4000'),
    DASHBOARD_URL: urlOf('http', 'https').default('http://127.0.0.1:4100'),
  })
  .superRefine(refuseFaultsInProduction);
export type Config = z.output<typeof configSchema>;

/** Injection token. */
export const CONFIG = Symbol('CONFIG');

/** Reads the environment; ends the process with every violation listed when it is not valid. */
export function readConfig(): Config {
  return loadConfigOrExit(configSchema, process.env);
}

/** The value behind a credential reference `env:NAME` of the model catalogue. Never logged. */
export function readEnvironmentSecret(name: string): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}
