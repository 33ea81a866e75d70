import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath } from '@tensorloop/servers/launcher';
import { PEER_CACHE, runInstall } from './peer-install.js';
import type { PeerRecipe } from './peers.types.js';

/** The package is a launcher; the gateway itself has versions of its own and is downloaded by it. */
const LAUNCHER = '@maximhq/bifrost@1.6.3';
const VERSION = '2.0.0';
const PROGRAM = 'bifrost-http';

export const bifrost: PeerRecipe = {
  name: 'bifrost',
  product: 'Bifrost',
  version: VERSION,
  probePath: '/health',
  install() {
    const onPath = findOnPath(PROGRAM);
    if (onPath !== null) return onPath;
    const folder = join(PEER_CACHE, 'bifrost');
    const downloaded = findDownloaded(folder);
    if (downloaded !== null) return downloaded;
    const npm = findOnPath('npm');
    if (npm === null) throw new Error(`neither ${PROGRAM} nor npm is on PATH`);
    mkdirSync(folder, { recursive: true });
    const launcher = join(folder, 'node_modules/@maximhq/bifrost/bin.js');
    if (!existsSync(launcher)) {
      runInstall(npm, ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', LAUNCHER]);
    }
    // Its launcher runs what it downloads at once; asked for help, the gateway ends by itself.
    try {
      runInstall(process.execPath, [launcher, '--transport-version', `v${VERSION}`, '-help'], { XDG_CACHE_HOME: folder });
    } catch (error) {
      // Help may end with a status other than 0; what counts is whether the program is there.
      if (findDownloaded(folder) === null) throw error;
    }
    const program = findDownloaded(folder);
    if (program === null) throw new Error(`${LAUNCHER} left no program behind`);
    return program;
  },
  command({ installed, port, folder, upstreamUrl }) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'config.json'), configText(upstreamUrl));
    return {
      file: installed,
      args: ['-app-dir', folder, '-host', '127.0.0.1', '-port', String(port), '-log-level', 'error'],
      env: { HOME: folder },
    };
  },
  target: () => ({
    headers: { authorization: 'Bearer none', 'x-bf-passthrough-extra-params': 'true' },
    keepsUnknownFields: true,
    model: 'openai/gpt-4o-mini',
  }),
};

function findDownloaded(folder: string): string | null {
  const bin = join(folder, 'bifrost', `v${VERSION}`, 'bin');
  const name = existsSync(bin) ? readdirSync(bin).find((each) => each.startsWith(PROGRAM)) : undefined;
  return name === undefined ? null : join(bin, name);
}

/** Without its stores: no configuration database, no record of calls. */
function configText(upstreamUrl: string): string {
  return JSON.stringify({
    client: { enable_logging: false, drop_excess_requests: false },
    providers: {
      openai: {
        keys: [{ name: 'simulator', value: 'none', models: ['*'], weight: 1 }],
        network_config: { base_url: upstreamUrl },
      },
    },
    config_store: { enabled: false },
    logs_store: { enabled: false },
  });
}
