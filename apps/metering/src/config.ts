import { loadConfigOrExit, serviceEnvironment, urlOf } from '@tensorloop/nest-kit/config';
import { faultEnvironment, refuseFaultsInProduction } from '@tensorloop/nest-kit/faults';
import { z } from 'zod';

const DEFAULT_PORT = 4_200;

export const configSchema = z
  .object({
    ...serviceEnvironment(DEFAULT_PORT),
    ...faultEnvironment('metering'),
    /** Role metering_app: reads one account at a time. */
    DATABASE_URL: urlOf('postgresql', 'postgres'),
    /** Role metering_ingest: writes for all accounts. */
    INGEST_DATABASE_URL: urlOf('postgresql', 'postgres'),
    /** Scheduled jobs only; nothing that is metered passes through it. */
    REDIS_URL: urlOf('redis', 'rediss'),
    /**
     * While events are booked again after the database was restored: no gateway is told of a total, because none is yet what
     * it was (docs/runbooks/failure-modes.md).
     */
    REPLAYING: z.enum(['true', 'false']).default('false'),
  })
  .superRefine(refuseFaultsInProduction);
export type Config = z.output<typeof configSchema>;

/** Injection token. */
export const CONFIG = Symbol('CONFIG');

/** Reads the environment; ends the process with every violation listed when it is not valid. */
export function readConfig(): Config {
  return loadConfigOrExit(configSchema, process.env);
}
