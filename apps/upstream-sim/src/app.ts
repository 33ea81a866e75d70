import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CallsService } from './calls/calls.service.js';
import { createOracle } from './oracle/oracle.js';
import { createRouter } from './server/router.js';
import { Statistics } from './server/statistics.js';

export interface SimulatorOptions {
  /** Path of the record of served calls; null = none is kept. */
  oracleFile: string | null;
}

export interface Simulator {
  /** Resolves to the base URL without the version segment ("http://127.0.0.1:4900"). Port 0 = any free one. */
  listen(port: number, host?: string): Promise<string>;
  /** Lets open calls end for SHUTDOWN_MS, then breaks them off; afterwards every record is on disk. */
  close(): Promise<void>;
}

const SHUTDOWN_MS = 5_000;
const IDLE_SWEEP_MS = 20;
/** Longer than any caller keeps an idle connection, so that it is the caller who closes and no call races a FIN. */
const KEEP_ALIVE_MS = 75_000;
const BACKLOG_CONNECTIONS = 4_096;

/** Builds the simulator without listening. */
export async function createSimulator(options: SimulatorOptions): Promise<Simulator> {
  const oracle = await createOracle(options.oracleFile);
  const statistics = new Statistics();
  const calls = new CallsService(oracle, statistics);
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true }, createRouter(calls, statistics));
  return {
    listen: (port, host = '127.0.0.1') => listen(server, port, host),
    close: async () => {
      await closeServer(server);
      await calls.settled();
      await oracle.close();
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (err: NodeJS.ErrnoException) => {
      reject(
        err.code === 'EADDRINUSE'
          ? new Error(`port ${port} on ${host} is taken: set PORT to a free one, or stop who listens there`)
          : err,
      );
    });
    server.listen({ port, host, backlog: BACKLOG_CONNECTIONS }, () => {
      resolve(`http://${host}:${(server.address() as AddressInfo).port}`);
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // close() ends the connections that are idle now; those with a call in progress become idle later.
    const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS);
    const deadline = setTimeout(() => server.closeAllConnections(), SHUTDOWN_MS);
    server.close(() => {
      clearInterval(sweep);
      clearTimeout(deadline);
      resolve();
    });
  });
}
