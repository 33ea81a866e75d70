import { loadConfigOrExit, serviceEnvironment, urlOf } from '@tensorloop/nest-kit/config';
import { faultEnvironment, refuseFaultsInProduction } from '@tensorloop/nest-kit/faults';
import { z } from 'zod';

const DEFAULT_PORT = 4100;
/** Fewer characters could be guessed by someone who holds the database. */
const PEPPER_LENGTH_MIN = 16;

const baseUrl = urlOf('http', 'https').transform((url) => url.replace(/\/+$/, ''));

export const configSchema = z
  .object({
    ...serviceEnvironment(DEFAULT_PORT),
    ...faultEnvironment('control-plane'),
    /** Role control_app. */
    DATABASE_URL: urlOf('postgresql', 'postgres'),
    /** Role control_relay. */
    RELAY_DATABASE_URL: urlOf('postgresql', 'postgres'),
    /** Role control_operator. */
    OPERATOR_DATABASE_URL: urlOf('postgresql', 'postgres'),
    REDIS_URL: urlOf('redis', 'rediss'),
    /** Shared with the gateways: key texts are stored as HMAC-SHA256 under it. */
    KEY_PEPPER: z.string().min(PEPPER_LENGTH_MIN, `expected at least ${PEPPER_LENGTH_MIN} characters`),
    /** Where browsers reach this service. Decides cookies (https) and which Origin is ours. */
    PUBLIC_URL: baseUrl.default(`http://localhost:${DEFAULT_PORT}`),
    /** The model catalogue as a YAML or JSON file, followed while it changes. Without it the tables are as they were seeded. */
    MODEL_CATALOGUE_FILE: z.string().optional(),
    /** Where clients reach the gateway, without "/v1". */
    GATEWAY_URL: baseUrl.default('http://localhost:4000'),
  })
  .superRefine(refuseFaultsInProduction);
export type Config = z.output<typeof configSchema>;

/** Injection token of the configuration. */
export const CONFIG = Symbol('config');

export function readConfig(): Config {
  return loadConfigOrExit(configSchema, process.env);
}
