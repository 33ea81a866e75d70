import { randomBytes } from 'node:crypto';

const PEPPER_BYTES = 32;

/** 256 random bits, of letters that no shell and no .env file reads as anything else. */
export function newPepper(): string {
  return randomBytes(PEPPER_BYTES).toString('base64url');
}

/** What whoever rotates does, in order. `version` is what KEY_PEPPER_VERSION becomes. */
export function rotationSteps({ pepper, version }: { pepper: string; version: number }): string[] {
  return [
    'Nothing was changed. This is the new pepper; it is shown once and stored nowhere:',
    '',
    `  ${pepper}`,
    '',
    'Settings to change, in this order (docs/runbooks/pepper-rotation.md); OLD is KEY_PEPPER as it is now:',
    '',
    '1. Every gateway, one after the other:',
    '     KEY_PEPPER=OLD',
    `     KEY_PEPPER_PREVIOUS=${pepper}`,
    '2. The control plane, and only then the gateways, one after the other:',
    `     control plane:  KEY_PEPPER=${pepper}`,
    `                     KEY_PEPPER_VERSION=${version}   (higher than it is now: by its keys that is ${version - 1} or less)`,
    `     gateways:       KEY_PEPPER=${pepper}`,
    '                     KEY_PEPPER_PREVIOUS=OLD',
    '3. Keys are hashed again when somebody calls with them. Until this ends with 0:',
    `     npm run admin -- pepper status --expect ${version}`,
    '4. Every gateway, one after the other: remove KEY_PEPPER_PREVIOUS.',
  ];
}
