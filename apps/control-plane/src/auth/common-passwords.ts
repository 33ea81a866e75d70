import { readFileSync } from 'node:fs';

const FILE = new URL('../../data/common-passwords.txt', import.meta.url);

/** The list that is shipped with the product; its head says where it is from. Lower case. */
export function loadCommonPasswords(): ReadonlySet<string> {
  const lines = readFileSync(FILE, 'utf8').split('\n');
  return new Set(lines.filter((line) => line !== '' && !line.startsWith('#')));
}
