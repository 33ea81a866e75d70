import { randomBytes } from 'node:crypto';

const PEPPER_BYTES = 32;

/** 256 random bits, of letters that no shell and no .env file reads as anything else. */
export function newPepper(): string {
  return randomBytes(PEPPER_BYTES).toString('base64url');
}

export function counted(keys: number): string {
  return `${keys} active ${keys === 1 ? 'key is' : 'keys are'}`;
}

/** Why no pepper may follow the one with number `current`, or null: every active key must be known by that one. */
export function refuseRotation(counts: readonly { version: number; keys: number }[], current: number): string | null {
  const sum = (matches: (version: number) => boolean) =>
    counts.reduce((keys, count) => keys + (matches(count.version) ? count.keys : 0), 0);
  const [older, newer] = [sum((version) => version < current), sum((version) => version > current)];
  if (newer > 0)
    return `${counted(newer)} known by a later pepper than ${current}: that is not the KEY_PEPPER_VERSION of the control plane.`;
  if (older === 0) return null;
  const advice = 'End that rotation first: see "pepper status", and revoke the keys that nobody calls with any more.';
  return `${counted(older)} known by an older pepper than ${current} still, and would be lost with another. ${advice}`;
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
    `                     KEY_PEPPER_VERSION=${version}`,
    `     gateways:       KEY_PEPPER=${pepper}`,
    '                     KEY_PEPPER_PREVIOUS=OLD',
    '3. Keys are hashed again when somebody calls with them. Until this ends with 0:',
    `     npm run admin -- pepper status --expect ${version}`,
    '4. Every gateway, one after the other: remove KEY_PEPPER_PREVIOUS.',
  ];
}
