import { describe, expect, it } from '@jest/globals';
import { ROLE_NAMES, type RoleKey } from '@tensorloop/db/roles';
import { controlPlaneSettings, describeSettings, pepperSettings, withoutControlPlaneSecrets } from './settings.ts';
import type { Secrets } from './state.ts';

const URL = 'http://localhost:4100';
const secrets: Secrets = {
  keyPepper: 'pepper-of-the-data-folder',
  passwords: Object.fromEntries(Object.keys(ROLE_NAMES).map((role) => [role, 'x'])) as Record<RoleKey, string>,
  demoPassword: 'x',
};
const MAIL = { SMTP_URL: 'smtp://me:smtp-secret@mail.example.com:587', MAIL_FROM: 'TensorLoop <no-reply@example.com>' };
const GOOGLE = { GOOGLE_CLIENT_ID: 'client.example.com', GOOGLE_CLIENT_SECRET: 'google-secret' };

function said(env: NodeJS.ProcessEnv, kept: Secrets = secrets): Record<string, string> {
  return Object.fromEntries(describeSettings(env, kept, URL).map(({ label, text }) => [label, text]));
}

describe('what npm start passes on to the control plane', () => {
  it('is mail, Google and the proxies as the shell has them, and nothing of a provider', () => {
    const meant = { ...MAIL, ...GOOGLE, GOOGLE_TOKEN_URL: 'http://127.0.0.1:9/token', TRUSTED_PROXIES: 'loopback' };
    expect(controlPlaneSettings({ ...meant, OPENAI_API_KEY: 'sk-secret', PATH: '/bin' })).toEqual(meant);
  });

  it('is nothing where the shell says nothing, or says it with an empty variable', () => {
    expect([controlPlaneSettings({}), controlPlaneSettings({ SMTP_URL: '' })]).toEqual([{}, {}]);
  });

  it('stays with the control plane where it is secret: the gateway is not told', () => {
    const gateway = withoutControlPlaneSecrets({ ...MAIL, ...GOOGLE, OPENAI_API_KEY: 'sk-secret' });
    expect(gateway['OPENAI_API_KEY']).toBe('sk-secret');
    expect(JSON.stringify(gateway)).not.toMatch(/smtp-secret|google-secret/);
  });
});

describe('the pepper with npm start', () => {
  it('is the data folder’s, whatever the shell has', () => {
    const { controlPlane, gateway } = pepperSettings({ KEY_PEPPER: 'pepper-of-somebody-else' }, secrets);
    expect(controlPlane).toEqual({ KEY_PEPPER: secrets.keyPepper });
    expect(gateway).toEqual({ KEY_PEPPER: secrets.keyPepper });
    expect(said({ KEY_PEPPER: 'pepper-of-somebody-else' })['Pepper']).toContain('KEY_PEPPER of the shell is not used');
  });

  it('is rotated by what the data folder says: its version to the control plane, the one before to the gateway', () => {
    const rotating = { ...secrets, keyPepperVersion: 2, keyPepperPrevious: 'pepper-of-before' };
    const { controlPlane, gateway } = pepperSettings({}, rotating);
    expect(controlPlane['KEY_PEPPER_VERSION']).toBe('2');
    expect(gateway['KEY_PEPPER_PREVIOUS']).toBe('pepper-of-before');
  });

  it('is rotated by what the shell says, before what the data folder says', () => {
    const env = { KEY_PEPPER_VERSION: '3', KEY_PEPPER_PREVIOUS: 'pepper-of-the-shell' };
    const { controlPlane, gateway } = pepperSettings(env, { ...secrets, keyPepperVersion: 2, keyPepperPrevious: 'older' });
    expect([controlPlane['KEY_PEPPER_VERSION'], gateway['KEY_PEPPER_PREVIOUS']]).toEqual(['3', 'pepper-of-the-shell']);
  });
});

describe('what npm start says of its settings', () => {
  it('names what is off without mail and without Google, and what would switch it on', () => {
    expect(said({})).toEqual({
      Mail: expect.stringMatching(/^off: .*password reset.*SMTP_URL and MAIL_FROM/),
      Google: expect.stringMatching(/^off: .*GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET/),
    });
  });

  it('says from whom mails come, where their links lead, and which address Google has to know', () => {
    expect(said({ ...MAIL, ...GOOGLE, TRUSTED_PROXIES: '10.0.0.1' })).toEqual({
      Mail: `sent as ${MAIL.MAIL_FROM}; links in mails lead to ${URL}`,
      Google: `on; register ${URL}/api/auth/google/callback there`,
      Proxies: 'believed: 10.0.0.1',
    });
  });

  it('tells no secret', () => {
    const rotating = { ...secrets, keyPepperPrevious: 'pepper-of-before' };
    const text = JSON.stringify(said({ ...MAIL, ...GOOGLE, KEY_PEPPER: 'pepper-of-somebody-else' }, rotating));
    expect(text).toContain('under way');
    expect(text).not.toMatch(/smtp-secret|google-secret|pepper-of/);
  });
});
