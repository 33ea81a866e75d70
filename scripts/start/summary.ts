import type { StartOptions } from './options.ts';
import type { SettingLine } from './settings.ts';
import type { StartFile } from './state.ts';

const EXAMPLE_MODEL = 'gpt-4o-mini';
const LABEL_WIDTH = 16;

/** The last thing that a start prints. The line that begins with "Ready" ends the wait of `--detach`. */
export function printSummary(start: StartFile, { provider }: StartOptions, settings: readonly SettingLine[]): void {
  const upstream = provider ? start.upstreamUrl : `${start.upstreamUrl} (simulator; set OPENAI_API_KEY for a real provider)`;
  const said = settings.map(({ label, text }) => `  ${label.padEnd(LABEL_WIDTH)}${text}`).join('\n');
  console.log(`
  Inference API   ${start.gatewayUrl}/v1
  Dashboard API   ${start.controlPlaneUrl}/api
  Metering        ${start.meteringUrl}
  Upstream        ${upstream}

  Sign in         ${start.email}  ${start.password}
  API key         ${start.apiKey}
${said}

  curl ${start.gatewayUrl}/v1/chat/completions \\
    -H "Authorization: Bearer ${start.apiKey}" \\
    -H "Content-Type: application/json" \\
    -d '{"model":"${EXAMPLE_MODEL}","messages":[{"role":"user","content":"Hello"}]}'

Ready. Ctrl-C or "npm run stop" ends it; logs are in .data/logs.`);
}
