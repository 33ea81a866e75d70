import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ManagedServer } from '@tensorloop/servers/managed-server';
import { startNats } from '@tensorloop/servers/nats';

export interface PrivateNats {
  server: ManagedServer;
  url: string;
  dispose(): Promise<void>;
}

/**
 * A server of this spec's own. The general harness (packages/testing) cannot be used here: it builds on this package.
 */
export async function startPrivateNats(): Promise<PrivateNats> {
  const folder = mkdtempSync(join(tmpdir(), 'tensorloop-messaging-'));
  const server = await startNats({ folder });
  return {
    server,
    url: server.url,
    dispose: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
