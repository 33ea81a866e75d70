import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath } from '@tensorloop/servers/launcher';
import { ManagedServer } from '@tensorloop/servers/managed-server';
import type { NotRun, Target } from './bench.types.js';
import { otherCpus, pin, TESTED_CPU } from './cpus.js';

const ROOT = join(import.meta.dirname, '../../..');
const CACHE = join(ROOT, '.cache', 'bench');
const PORTKEY = '@portkey-ai/gateway@1.15.2';
const INSTALL_MS_MAX = 120_000;

export interface Peers {
  targets: Target[];
  servers: ManagedServer[];
  notRun: NotRun[];
}

/** Starts the pass-through and the peers that can be had, all in front of the same simulator. */
export async function startPeers(upstreamUrl: string, folder: string): Promise<Peers> {
  const passThrough = await startProgram({
    name: 'pass-through',
    folder,
    args: (port) => [join(import.meta.dirname, 'pass-through.js'), upstreamUrl, String(port)],
  });
  const peers: Peers = {
    targets: [
      { name: 'direct', url: upstreamUrl, headerSets: [{ authorization: 'Bearer none' }], pid: null },
      {
        name: 'passThrough',
        url: passThrough.url,
        headerSets: [{ authorization: 'Bearer none' }],
        pid: passThrough.pid,
      },
    ],
    servers: [passThrough],
    notRun: [
      { name: 'LiteLLM', reason: 'this harness does not install it yet' },
      { name: 'Bifrost', reason: 'this harness does not install it yet' },
    ],
  };
  await addPortkey(peers, upstreamUrl, folder);
  return peers;
}

async function addPortkey(peers: Peers, upstreamUrl: string, folder: string): Promise<void> {
  try {
    const main = installPortkey();
    const server = await startProgram({
      name: 'portkey',
      folder,
      args: (port) => ['--import', join(import.meta.dirname, 'portkey-shim.js'), main, '--headless', `--port=${port}`],
    });
    peers.servers.push(server);
    const headers = { authorization: 'Bearer none', 'x-portkey-provider': 'openai' };
    peers.targets.push({
      name: 'portkey',
      url: server.url,
      headerSets: [{ ...headers, 'x-portkey-custom-host': `${upstreamUrl}/v1` }],
      pid: server.pid,
    });
  } catch (error) {
    peers.notRun.push({
      name: 'Portkey',
      reason: error instanceof Error ? (error.message.split('\n')[0] as string) : String(error),
    });
  }
}

/** Into .cache, by npm itself, once. Scripts of the package are not run. */
function installPortkey(): string {
  const folder = join(CACHE, 'portkey');
  const main = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js');
  if (existsSync(main)) return main;
  const npm = findOnPath('npm');
  if (npm === null) throw new Error('npm is not on PATH');
  mkdirSync(folder, { recursive: true });
  const args = ['install', '--prefix', folder, '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', PORTKEY];
  const { status, stderr } = spawnSync(npm, args, { encoding: 'utf8', timeout: INSTALL_MS_MAX });
  if (status !== 0 || !existsSync(main))
    throw new Error(`npm could not install ${PORTKEY}: ${stderr.trim().split('\n').at(-1)}`);
  return main;
}

interface Program {
  name: string;
  folder: string;
  args: (port: number) => string[];
}

async function startProgram({ name, folder, args }: Program): Promise<ManagedServer> {
  const server = await ManagedServer.start({
    name,
    folder: join(folder, name),
    stopSignal: 'SIGTERM',
    command: (port) => ({ file: process.execPath, args: args(port), env: { PATH: process.env.PATH, NODE_ENV: 'production' } }),
    probe: async (port) => {
      const response = await fetch(`http://127.0.0.1:${port}/`);
      await response.arrayBuffer();
      if (!response.ok) throw new Error(`${name} answered ${response.status}`);
    },
    url: (port) => `http://127.0.0.1:${port}`,
  });
  pin(server.pid, TESTED_CPU);
  return server;
}

/** The bench itself loads with streams: it belongs on the load's cores. */
export function pinBench(): void {
  pin(process.pid, otherCpus());
}
