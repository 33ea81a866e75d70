import { createServer } from 'node:net';

/**
 * Below 32768, where Linux begins to hand out ports to outgoing connections. A server that is killed and started again
 * must get its port back, and a client that reconnects to a dead port inside that range can even connect to itself.
 */
const LOWEST_PORT = 15_000;
const HIGHEST_PORT = 31_999;
const MAX_PORT_ATTEMPTS = 200;

/** A TCP port of 127.0.0.1 that nobody listens on now. Another process may still take it first: be ready to try again. */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < MAX_PORT_ATTEMPTS; attempt++) {
    const port = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT + 1));
    if (await isPortFree(port)) return port;
  }
  throw new Error(
    `No free port was found on 127.0.0.1 between ${LOWEST_PORT} and ${HIGHEST_PORT}; stop some servers and try again.`,
  );
}

/** Whether a server could listen on the port of `host` now. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
