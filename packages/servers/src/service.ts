import { ManagedServer } from './managed-server.js';

const READY_REQUEST_TIMEOUT_MS = 2_000;
/** Services drain: calls in flight may end, records are shipped. */
const STOP_TIMEOUT_MS = 40_000;

/**
 * Flags for node with which the gateway is run.
 * - Collecting on the main thread: V8's helper threads, of which Node starts four on any machine, otherwise take its core away for
 *   milliseconds at a time.
 * - A small young generation, and a heap that may grow by three fifths: without them V8 lets garbage stand to over 500 MB because the machine has
 *   room; with half the young generation, long prompts make it collect everything about once a second.
 * - No incremental marking: what dies while V8 marks in steps it keeps until the next time, half as much as is alive or more, and the heap grows to a
 *   multiple of that. The steps did not make its pauses shorter.
 * - No pretenuring: what a call makes lives until the call ends, which is long enough for V8 to place it in the old generation from the start.
 *   There it stays until a full collection, and everything it refers to with it.
 */
export const GATEWAY_NODE_ARGS: readonly string[] = [
  '--single-threaded-gc',
  '--max-semi-space-size=16',
  '--heap-growing-percent=60',
  '--no-incremental-marking',
  '--no-allocation-site-pretenuring',
];

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
