import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
/** A walk that found nothing, or texts in which nothing was recognised, must not pass for sound documents. */
const DOCUMENTS_MIN = 100;
const LINKS_MIN = 60;
const FILES_MIN = 180;
const VERBS_MIN = 9;

const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;
const HEADING = /^#{1,6} +(.+?)\s*$/gm;
const FENCE = /^```[\s\S]*?^```/gm;
/** Below a folder of ours, with an ending, without a wildcard or a place for a name. */
const FILE = /`((?:apps|packages|e2e|infra|prisma|scripts|docs|bench|chaos)\/[\w./-]+\.\w+)`/g;
const VERB = /npm run ([a-z][a-z:-]*)/g;

const documents = ['.', 'apps', 'packages', 'docs', 'bench', 'chaos', 'e2e', 'infra', 'prisma', 'scripts'].flatMap((folder) =>
  findDocuments(join(ROOT, folder), folder !== '.'),
);
const texts = new Map(documents.map((file) => [file, readFileSync(file, 'utf8')]));

function findDocuments(folder: string, isDeep: boolean): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isFile()) return entry.name.endsWith('.md') ? [path] : [];
    const isOurs = entry.isDirectory() && !/^(node_modules|dist|\..*)$/.test(entry.name);
    return isDeep && isOurs ? findDocuments(path, true) : [];
  });
}

const matches = (pattern: RegExp) =>
  [...texts].flatMap(([file, text]) => [...text.matchAll(pattern)].map(([, found]) => ({ file, found: found as string })));
const nameOf = ({ file, found }: { file: string; found: string }) => `${relative(ROOT, file)}: ${found}`;

/** As GitHub makes them out of headings, a repeated one with its number. */
function anchorsOf(file: string): Set<string> {
  const text = (texts.get(file) ?? readFileSync(file, 'utf8')).replace(FENCE, '');
  const anchors = new Set<string>();
  for (const [, heading = ''] of text.matchAll(HEADING)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count++) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}

function isSound({ file, found }: { file: string; found: string }): boolean {
  const [path = '', anchor] = found.split('#');
  const target = path === '' ? file : join(dirname(file), decodeURI(path));
  if (!existsSync(target)) return false;
  return anchor === undefined || anchorsOf(target).has(anchor);
}

describe('the documents', () => {
  it('link to files and headings that exist', () => {
    const links = matches(LINK).filter(({ found }) => !/^[a-z]+:/.test(found));
    expect(documents.length).toBeGreaterThanOrEqual(DOCUMENTS_MIN);
    expect(links.length).toBeGreaterThanOrEqual(LINKS_MIN);
    expect(links.filter((link) => !isSound(link)).map(nameOf)).toEqual([]);
  });

  it('name no file that does not exist', () => {
    const files = matches(FILE);
    expect(files.length).toBeGreaterThanOrEqual(FILES_MIN);
    expect(files.filter(({ found }) => !existsSync(join(ROOT, found))).map(nameOf)).toEqual([]);
  });

  it('tell people to run nothing that package.json does not have', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    const verbs = matches(VERB);
    expect(new Set(verbs.map(({ found }) => found)).size).toBeGreaterThanOrEqual(VERBS_MIN);
    expect(verbs.filter(({ found }) => !(found in scripts)).map(nameOf)).toEqual([]);
  });
});
