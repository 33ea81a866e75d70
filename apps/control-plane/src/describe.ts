import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describeApi } from './openapi/openapi.document.js';
import { previewRoutes } from './openapi/preview.js';
import { problemPages } from './openapi/problem-pages.js';

/** `npm run openapi`: writes docs/openapi.json, and brings the pages of docs/errors into step. Starts nothing. */
const DOCS = new URL('../../../docs/', import.meta.url);

const { routes, baseUrl } = await previewRoutes();
const document = describeApi(routes, baseUrl);
await writeFile(new URL('openapi.json', DOCS), `${JSON.stringify(document, null, 2)}\n`);

const pages = problemPages();
const folder = new URL('errors/', DOCS);
await mkdir(folder, { recursive: true });
for (const { code, update } of pages) {
  const file = new URL(`${code}.md`, folder);
  const before = await readFile(file, 'utf8').catch(() => null);
  await writeFile(file, update(before));
}
console.log(`${Object.keys(document.paths).length} paths and ${pages.length} problems written below ${fileURLToPath(DOCS)}`);
// What the preview prepared would keep the process.
process.exit(0);
