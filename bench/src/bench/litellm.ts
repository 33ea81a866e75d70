import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath } from '@tensorloop/servers/launcher';
import { PEER_CACHE, runInstall } from './peer-install.js';
import type { PeerRecipe } from './peers.types.js';

/** The newest whose dependencies a registry with a delay of some weeks could serve when this was written. */
const VERSION = '1.100.5';
const READY_MARK = 'installed';

export const litellm: PeerRecipe = {
  name: 'litellm',
  product: 'LiteLLM',
  version: VERSION,
  probePath: '/health/liveliness',
  install() {
    const folder = join(PEER_CACHE, `litellm-${VERSION}`);
    const program = join(folder, 'bin', 'litellm');
    if (existsSync(join(folder, READY_MARK))) return program;
    const python = findOnPath('python3');
    if (python === null) throw new Error('python3 is not on PATH');
    mkdirSync(PEER_CACHE, { recursive: true });
    // What an interrupted run left is half an environment.
    rmSync(folder, { recursive: true, force: true });
    runInstall(python, ['-m', 'venv', folder]);
    const requirement = `litellm[proxy]==${VERSION}`;
    runInstall(join(folder, 'bin', 'pip'), ['install', '--disable-pip-version-check', '--quiet', requirement]);
    const mark = join(folder, READY_MARK);
    writeFileSync(`${mark}.new`, requirement);
    renameSync(`${mark}.new`, mark);
    return program;
  },
  command({ installed, port, folder, upstreamUrl }) {
    mkdirSync(folder, { recursive: true });
    const config = join(folder, 'config.yaml');
    writeFileSync(config, configText(upstreamUrl));
    return {
      file: installed,
      args: ['--config', config, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1', '--telemetry', 'False'],
      // The price table comes with the package; without this it is fetched from outside at each start.
      env: { LITELLM_LOG: 'ERROR', LITELLM_MODE: 'PRODUCTION', LITELLM_LOCAL_MODEL_COST_MAP: 'True', HOME: folder },
    };
  },
  target: () => ({ headers: { authorization: 'Bearer none' }, keepsUnknownFields: true }),
};

/** No database and no master key: nothing is checked, nothing is booked. JSON is YAML. */
function configText(upstreamUrl: string): string {
  const upstream = { model: 'openai/gpt-4o-mini', api_base: `${upstreamUrl}/v1`, api_key: 'none' };
  return JSON.stringify({
    model_list: [{ model_name: 'gpt-4o-mini', litellm_params: upstream }],
    litellm_settings: { request_timeout: 600, set_verbose: false, json_logs: true },
  });
}
