import type { Secrets } from './state.ts';

/** What the shell may tell the control plane, by the names of its own configuration. */
const CONTROL_PLANE_SETTINGS = [
  'SMTP_URL',
  'MAIL_FROM',
  'GOOGLE_CLIENT_ID',
  'GOOGLE_CLIENT_SECRET',
  'GOOGLE_AUTHORIZATION_URL',
  'GOOGLE_TOKEN_URL',
  'GOOGLE_USERINFO_URL',
  'TRUSTED_PROXIES',
] as const;

/** Of these the gateway, which is given the whole shell for its providers' credentials, has no need. */
const CONTROL_PLANE_SECRETS = ['SMTP_URL', 'GOOGLE_CLIENT_SECRET'] as const;

export type Settings = Record<string, string | undefined>;

export function controlPlaneSettings(env: NodeJS.ProcessEnv): Settings {
  return Object.fromEntries(CONTROL_PLANE_SETTINGS.filter((name) => env[name]).map((name) => [name, env[name]]));
}

export function withoutControlPlaneSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const secret = new Set<string>(CONTROL_PLANE_SECRETS);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !secret.has(name)));
}

/**
 * The pepper itself is the data folder's alone: with that of another installation in the shell, every key would be unknown.
 * What belongs to a rotation may be in either place; the shell's word is the newer one.
 */
export function pepperSettings(env: NodeJS.ProcessEnv, secrets: Secrets): { controlPlane: Settings; gateway: Settings } {
  const { keyPepper, keyPepperVersion, keyPepperPrevious } = secrets;
  return {
    controlPlane: {
      KEY_PEPPER: keyPepper,
      KEY_PEPPER_VERSION: env['KEY_PEPPER_VERSION'] || keyPepperVersion?.toString(),
    },
    gateway: { KEY_PEPPER: keyPepper, KEY_PEPPER_PREVIOUS: env['KEY_PEPPER_PREVIOUS'] || keyPepperPrevious },
  };
}

export function sendsMail(env: NodeJS.ProcessEnv): boolean {
  return Boolean(env['SMTP_URL']);
}

export interface SettingLine {
  label: string;
  text: string;
}

/** What a start says of its settings: what is off, what that means, and what would switch it on. Never a value that is secret. */
export function describeSettings(env: NodeJS.ProcessEnv, secrets: Secrets, controlPlaneUrl: string): SettingLine[] {
  const lines: SettingLine[] = [
    sendsMail(env)
      ? { label: 'Mail', text: `sent as ${env['MAIL_FROM']}; links in mails lead to ${controlPlaneUrl}` }
      : {
          label: 'Mail',
          text: 'off: sign-up signs in at once and confirms no address; no password reset, no codes (set SMTP_URL and MAIL_FROM)',
        },
    env['GOOGLE_CLIENT_ID']
      ? { label: 'Google', text: `on; register ${controlPlaneUrl}/api/auth/google/callback there` }
      : { label: 'Google', text: 'off: no sign-in with Google (set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET)' },
  ];
  if (env['TRUSTED_PROXIES']) lines.push({ label: 'Proxies', text: `believed: ${env['TRUSTED_PROXIES']}` });
  if (env['KEY_PEPPER'] && env['KEY_PEPPER'] !== secrets.keyPepper) {
    lines.push({ label: 'Pepper', text: 'the one in .data/secrets.json; KEY_PEPPER of the shell is not used' });
  }
  if (pepperSettings(env, secrets).gateway['KEY_PEPPER_PREVIOUS']) {
    lines.push({ label: 'Rotation', text: 'under way: keys of the pepper before are known as well' });
  }
  return lines;
}
