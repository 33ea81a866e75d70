import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath } from '@tensorloop/servers/launcher';
import { PEER_CACHE, runInstall } from './peer-install.js';
import type { PeerRecipe } from './peers.types.js';

const VERSION = '1.15.2';
const PACKAGE = `@portkey-ai/gateway@${VERSION}`;

export const portkey: PeerRecipe = {
  name: 'portkey',
  product: 'Portkey',
  version: VERSION,
  probePath: '/',
  install() {
    const folder = join(PEER_CACHE, 'portkey');
    const main = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js');
    if (existsSync(main)) return main;
    const npm = findOnPath('npm');
    if (npm === null) throw new Error('npm is not on PATH');
    mkdirSync(folder, { recursive: true });
    // Scripts of packages are not run.
    runInstall(npm, ['install', '--prefix', folder, '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', PACKAGE]);
    return main;
  },
  command: ({ installed, port }) => ({
    file: process.execPath,
    args: ['--import', join(import.meta.dirname, 'portkey-shim.js'), installed, '--headless', `--port=${port}`],
    env: { NODE_ENV: 'production' },
  }),
  target: (upstreamUrl) => ({
    headers: {
      authorization: 'Bearer none',
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `${upstreamUrl}/v1`,
    },
    // It takes unknown fields out of the body, so the simulator would not know a stream's pace and send all at once.
    keepsUnknownFields: false,
  }),
};
