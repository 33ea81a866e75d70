import { join } from 'node:path';
import { ManagedServer } from '@tensorloop/servers/managed-server';
import { type NotRun, PEER_NAMES, type PeerName, type Target } from './bench.types.js';
import { bifrost } from './bifrost.js';
import { otherCpus, pin, TESTED_CPU } from './cpus.js';
import { litellm } from './litellm.js';
import type { PeerCommand, PeerRecipe } from './peers.types.js';
import { portkey } from './portkey.js';

export interface Peers {
  targets: Target[];
  servers: ManagedServer[];
  notRun: NotRun[];
  /** Of those that run. */
  versions: Partial<Record<PeerName, string>>;
}

export interface PeersWanted {
  upstreamUrl: string;
  folder: string;
  wanted: ReadonlySet<PeerName>;
  say: (line: string) => void;
}

const RECIPES: Record<PeerName, PeerRecipe> = { portkey, litellm, bifrost };

/** Starts the pass-through and the peers that are wanted and can be had, all in front of the same simulator. */
export async function startPeers(options: PeersWanted): Promise<Peers> {
  const { upstreamUrl, folder } = options;
  const passThrough = await startProgram({
    name: 'pass-through',
    folder: join(folder, 'pass-through'),
    probePath: '/',
    command: (port) => ({
      file: process.execPath,
      args: [join(import.meta.dirname, 'pass-through.js'), upstreamUrl, String(port)],
      env: { NODE_ENV: 'production' },
    }),
  });
  const bare = { headerSets: [{ authorization: 'Bearer none' }], keepsUnknownFields: true };
  const peers: Peers = {
    targets: [
      { ...bare, name: 'direct', url: upstreamUrl, pid: null },
      { ...bare, name: 'passThrough', url: passThrough.url, pid: passThrough.pid },
    ],
    servers: [passThrough],
    notRun: [],
    versions: {},
  };
  for (const name of PEER_NAMES) await addPeer(peers, RECIPES[name], options);
  return peers;
}

async function addPeer(peers: Peers, recipe: PeerRecipe, { upstreamUrl, folder, wanted, say }: PeersWanted): Promise<void> {
  const { name, product, version } = recipe;
  if (!wanted.has(name)) {
    peers.notRun.push({ name: product, reason: 'left out by --peers' });
    return;
  }
  try {
    say(`${product} ${version}: installing what is missing`);
    const installed = recipe.install();
    const own = join(folder, name);
    const server = await startProgram({
      name,
      folder: own,
      probePath: recipe.probePath,
      command: (port) => recipe.command({ installed, port, folder: own, upstreamUrl }),
    });
    peers.servers.push(server);
    const { headers, ...rest } = recipe.target(upstreamUrl);
    peers.targets.push({ ...rest, name, url: server.url, headerSets: [headers], pid: server.pid });
    peers.versions[name] = version;
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    say(`${product} is not run: ${reason}`);
    peers.notRun.push({ name: product, reason });
  }
}

interface Program {
  name: string;
  folder: string;
  probePath: string;
  command: (port: number) => PeerCommand;
}

async function startProgram({ name, folder, probePath, command }: Program): Promise<ManagedServer> {
  const server = await ManagedServer.start({
    name,
    folder,
    stopSignal: 'SIGTERM',
    command: (port) => {
      const { env, ...rest } = command(port);
      return { ...rest, env: { PATH: process.env.PATH, ...env } };
    },
    probe: async (port) => {
      const response = await fetch(`http://127.0.0.1:${port}${probePath}`);
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
