import { type DestinationStream, type Logger, pino } from 'pino';
import { redactSecrets } from './redaction.js';

/** Lines gather until this many bytes are there or LOG_FLUSH_INTERVAL_MS have passed, then leave in one asynchronous write. */
export const LOG_BUFFER_BYTES = 4_096;
export const LOG_FLUSH_INTERVAL_MS = 200;
/** Beyond this much unwritten output lines are dropped: a reader that stopped reading must not take the process's memory. */
export const LOG_BUFFER_BYTES_MAX = 16 * 1024 * 1024;

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type { Logger };

export interface LoggerOptions {
  /** Written in every line as `service`. */
  service: string;
  level?: LogLevel;
  /** Where lines go; standard output unless a test passes its own. */
  destination?: DestinationStream;
}

const SECRET_FIELDS = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'password',
  'passwordHash',
  'apiKey',
  'api_key',
  'keyText',
  'secret',
  'token',
  'pepper',
];
/** Fields at the top of a line and up to two objects deep (`req.headers.authorization`). */
const REDACT_PATHS = [
  ...SECRET_FIELDS.flatMap((field) => [`["${field}"]`, `*["${field}"]`, `*.*["${field}"]`]),
  // ioredis hangs the failed command on its errors, and the arguments of AUTH are user and password.
  '*.command.args',
  '*.*.command.args',
];

/**
 * JSON lines on standard output, written asynchronously so that a request never waits for the terminal or the disk.
 * Buffered lines are written when the process exits in any way but SIGKILL.
 */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      level: options.level ?? 'info',
      base: { service: options.service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACT_PATHS, censor: '[redacted]' },
      // The last gate: a secret inside a message, a URL or an error's text has no field name to go by.
      hooks: { streamWrite: redactSecrets },
    },
    options.destination ?? standardOutput(),
  );
}

/** A child that writes the request id in every line. */
export function requestLogger(logger: Logger, requestId: string): Logger {
  return logger.child({ requestId });
}

/** Writes what is buffered; resolves once it has left the process. */
export function flushLogger(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    logger.flush(() => resolve());
  });
}

function standardOutput(): DestinationStream {
  const destination = pino.destination({ dest: 1, sync: false, minLength: LOG_BUFFER_BYTES, maxLength: LOG_BUFFER_BYTES_MAX });
  setInterval(() => destination.flush(), LOG_FLUSH_INTERVAL_MS).unref();
  return destination;
}
