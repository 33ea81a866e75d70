import type { ManagedServer } from '@tensorloop/servers/managed-server';
import { releaseDataFolder } from './state.ts';

/** What runs, in the order of its start, and how it all ends. */
export class RunningSet {
  private readonly started: ManagedServer[] = [];
  private stopping: Promise<void> | null = null;

  /** Remembers a server; when it ends unasked, everything is stopped and the process ends with code 1. */
  add(server: ManagedServer): ManagedServer {
    this.started.push(server);
    void server.exited.then((ending) => this.reportDeath(server, ending));
    return server;
  }

  pids(): Record<string, number> {
    return Object.fromEntries(this.started.map((server) => [server.name, server.pid]));
  }

  get isStopping(): boolean {
    return this.stopping !== null;
  }

  /** Stops in reverse order of start, so that nobody loses a server while still using it. Further calls join the first. */
  stop(): Promise<void> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async stopAll(): Promise<void> {
    for (const server of this.started.toReversed()) await server.stop();
    releaseDataFolder();
  }

  private reportDeath(server: ManagedServer, ending: string): void {
    if (this.isStopping) return;
    console.error(
      `\n${server.name} ${ending} unexpectedly. Its log (${server.logFile}) ends with:\n${server.logTail()}\n\nStopping the rest.`,
    );
    void this.stop().then(() => process.exit(1));
  }
}
