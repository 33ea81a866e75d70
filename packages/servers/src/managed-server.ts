import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from './launcher.js';
import { GivenUp, poll } from './poll.js';
import { findFreePort, isPortFree } from './ports.js';
import { ServerProcess } from './server-process.js';

const READY_TIMEOUT_MS = 30_000;
const MAX_START_ATTEMPTS = 5;
const PORT_TAKEN = /address already in use|bind: address|could not bind|EADDRINUSE/i;

export interface ServerRecipe {
  name: string;
  /** Holds the server's data and its log. Created when absent. */
  folder: string;
  /** Without it the log is server.log in the folder. */
  logFile?: string | undefined;
  stopSignal: 'SIGTERM' | 'SIGINT';
  stopTimeoutMs?: number;
  command(port: number): Command;
  /** Resolves when the server on that port answers a real request. */
  probe(port: number): Promise<void>;
  url(port: number): string;
}

/** A private server: started, stopped, killed and started again on the same port with the same data. */
export class ManagedServer {
  private constructor(
    private readonly recipe: ServerRecipe,
    readonly port: number,
    private current: ServerProcess,
  ) {}

  /** Starts the server and returns when it answers. Without `port` a free one is chosen. */
  static async start(recipe: ServerRecipe, port?: number): Promise<ManagedServer> {
    mkdirSync(recipe.folder, { recursive: true });
    for (let attempt = 1; ; attempt++) {
      const chosen = port ?? (await findFreePort());
      try {
        return new ManagedServer(recipe, chosen, await launch(recipe, chosen));
      } catch (error) {
        const lostRace = port === undefined && attempt < MAX_START_ATTEMPTS && PORT_TAKEN.test(String(error));
        if (!lostRace) throw error;
      }
    }
  }

  get name(): string {
    return this.recipe.name;
  }

  get url(): string {
    return this.recipe.url(this.port);
  }

  get pid(): number {
    return this.current.pid;
  }

  /** The last lines that the process wrote. */
  logTail(): string {
    return this.current.logTail();
  }

  get logFile(): string {
    return logFileOf(this.recipe);
  }

  /** Settles when the process that runs now has ended, with how it ended. */
  get exited(): Promise<string> {
    return this.current.exited;
  }

  async stop(): Promise<void> {
    await this.current.stop();
  }

  /** kill -9, as a failing machine would: nothing is flushed, nobody is told. */
  async kill(): Promise<void> {
    await this.current.kill();
  }

  /** Stops the server if it runs, and starts it on the same port with the same data. */
  async restart(): Promise<void> {
    await this.stop();
    this.current = await launch(this.recipe, this.port);
  }
}

function logFileOf(recipe: ServerRecipe): string {
  return recipe.logFile ?? join(recipe.folder, 'server.log');
}

async function launch(recipe: ServerRecipe, port: number): Promise<ServerProcess> {
  if (!(await isPortFree(port))) {
    throw new Error(
      `${recipe.name} cannot listen on port ${port}: address already in use. "ss -ltnp 'sport = :${port}'" shows by whom.`,
    );
  }
  const { name, stopSignal, stopTimeoutMs } = recipe;
  const server = new ServerProcess({
    name,
    stopSignal,
    command: recipe.command(port),
    logFile: logFileOf(recipe),
    ...(stopTimeoutMs !== undefined && { stopTimeoutMs }),
  });
  try {
    await poll(
      async () => {
        if (server.ending) throw new GivenUp(`${name} ${server.ending} while starting.`);
        await recipe.probe(port);
        return true;
      },
      { timeoutMs: READY_TIMEOUT_MS, failure: `${name} on port ${port} did not become ready` },
    );
    return server;
  } catch (error) {
    await server.kill();
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason} Its log (${logFileOf(recipe)}) ends with:\n${server.logTail()}`, { cause: error });
  }
}
