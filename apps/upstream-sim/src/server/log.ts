/** pino's level numbers, so that one reader understands the logs of every service. */
const LEVELS = { info: 30, error: 50, fatal: 60 } as const;

/** One JSON line on stdout. Never called per request: this process is the ceiling of every benchmark. */
export function log(level: keyof typeof LEVELS, msg: string, fields: Record<string, unknown> = {}): void {
  process.stdout.write(
    `${JSON.stringify({ level: LEVELS[level], time: Date.now(), service: 'upstream-sim', ...fields, msg })}\n`,
  );
}
