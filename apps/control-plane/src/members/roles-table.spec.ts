import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { ROLES } from '@tensorloop/contracts/dashboard-api';
import { isPermitted, PERMISSIONS, type Permission } from '../access/permission.types.js';

const README = new URL('../../README.md', import.meta.url);
const SECTION = /<!-- roles:[^>]*-->\n([\s\S]*?)\n<!-- \/roles -->/;

function expectedTable(): string {
  const rows = (Object.keys(PERMISSIONS) as Permission[]).map((permission) => {
    const cells = ROLES.map((role) => (isPermitted(role, permission) ? 'yes' : ''));
    return `| \`${permission}\` | ${cells.join(' | ')} |`;
  });
  return [`| | ${ROLES.join(' | ')} |`, `|---|${'---|'.repeat(ROLES.length)}`, ...rows].join('\n');
}

describe('the documented roles', () => {
  it('are those of the code', async () => {
    const documented = SECTION.exec(await readFile(README, 'utf8'))?.[1];
    expect(documented).toBe(expectedTable());
  });
});
