import { ManagedServer } from './managed-server.js';

const READY_REQUEST_TIMEOUT_MS = 2_000;
/** Services drain: calls in flight may end, records are shipped. */
const STOP_TIMEOUT_MS = 40_000;

/**
 * Flags for node with which the gateway is run. A young generation of 16 MB instead of 64, and a heap that grows by 80 % of
 * what lives in it: without them V8 lets garbage stand to over 400 MB because the machine has room.
 */
export const GATEWAY_NODE_ARGS: readonly string[] = ['--max-semi-space-size=16', '--heap-growing-percent=80'];

export interface ServiceOptions {
  /** As people call it: "gateway". */
  name: string;
  /** Holds the log. */
  folder: string;
  /** The built entry point, apps/<name>/dist/main.js. */
  main: string;
  /** The whole environment of the process but PORT. */
  env: Record<string, string | undefined>;
  port?: number;
  logFile?: string;
  /** Flags for node itself, before the entry point. */
  nodeArgs?: string[];
  /** What must answer 200 before the service counts as started. */
  readyPath?: string;
}

/** Starts one of our own services as a process, like the servers it needs: it can be stopped, killed and restarted. */
export function startService(options: ServiceOptions): Promise<ManagedServer> {
  const { name, folder, main, nodeArgs = [], readyPath = '/health/ready' } = options;
  return ManagedServer.start(
    {
      name,
      folder,
      logFile: options.logFile,
      stopSignal: 'SIGTERM',
      stopTimeoutMs: STOP_TIMEOUT_MS,
      command: (port) => ({
        file: process.execPath,
        args: [...nodeArgs, main],
        env: { ...options.env, PORT: String(port) },
      }),
      probe: (port) => expectOk(`http://127.0.0.1:${port}${readyPath}`),
      url: (port) => `http://127.0.0.1:${port}`,
    },
    options.port,
  );
}

async function expectOk(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(READY_REQUEST_TIMEOUT_MS) });
  const body = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${body.slice(0, 500)}`);
}
