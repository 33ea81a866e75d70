import 'reflect-metadata';
import { CommandFactory } from 'nest-commander';
import { CommandsModule } from './commands.module.js';
import { InstallationNotFound } from './config.js';
import { EXIT_FAILED, EXIT_UNAVAILABLE } from './outcome.js';

/** Whose message is written for people; of anything else the trace is needed. */
const EXPECTED = new Set(['CommandFailed', 'OperatorError', 'InstallationNotFound', 'ValueInvalid', 'ExportUnreadable']);

/** Node's and PostgreSQL's codes for a server that is not there, or lets nobody in. */
const UNREACHABLE = /^(ECONNREFUSED|ENOTFOUND|ETIMEDOUT|ECONNRESET|EAI_AGAIN|28P01|28000|3D000|57P03)$/;

function fail(error: Error & { code?: string }): never {
  if (error instanceof InstallationNotFound) return end(error.message, EXIT_UNAVAILABLE);
  if (UNREACHABLE.test(error.code ?? ''))
    return end(`PostgreSQL cannot be used: ${error.message}. Is the installation running?`, EXIT_UNAVAILABLE);
  return end(EXPECTED.has(error.name) ? error.message : (error.stack ?? String(error)), EXIT_FAILED);
}

function end(message: string, code: number): never {
  console.error(message);
  return process.exit(code);
}

/** Commander's own: help was asked for, or the command line is wrong, which it has said already. */
function endOf(error: Error & { exitCode?: number; code?: string }): never {
  if (error.code?.startsWith('commander.') !== true) return fail(error);
  return process.exit(error.exitCode === 0 ? 0 : EXIT_FAILED);
}

await CommandFactory.run(CommandsModule, {
  logger: ['error'],
  cliName: 'npm run admin --',
  errorHandler: endOf,
  serviceErrorHandler: fail,
});
