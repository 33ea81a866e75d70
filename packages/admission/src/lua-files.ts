import { readFileSync } from 'node:fs';

/** A file of `lua/`, by its name. */
export function readLua(name: string): string {
  return readFileSync(new URL(`../lua/${name}.lua`, import.meta.url), 'utf8');
}
