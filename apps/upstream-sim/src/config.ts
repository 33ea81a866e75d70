import { z } from 'zod';

const environmentSchema = z.object({
  /** 0 = any free port; the one taken is in the log line "listening". */
  PORT: z.coerce.number().int().min(0).max(65_535).default(4900),
  HOST: z.string().min(1).default('127.0.0.1'),
  /** Where the record of served calls is appended. Unset = no record is kept. */
  ORACLE_FILE: z.string().min(1).optional(),
});

export interface SimulatorConfig {
  port: number;
  host: string;
  oracleFile: string | null;
}

/** Reads the environment, or throws one Error that names every violation. */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env): SimulatorConfig {
  const result = environmentSchema.safeParse(environment);
  if (!result.success) {
    const violations = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`the configuration is not valid:\n${violations.join('\n')}`);
  }
  const { PORT, HOST, ORACLE_FILE } = result.data;
  return { port: PORT, host: HOST, oracleFile: ORACLE_FILE ?? null };
}
