import { createRequire } from 'node:module';
import { dirname } from 'node:path';

/** What the reader of the API's description is made of, and nothing else of that package. */
const ASSETS: Readonly<Record<string, string>> = {
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};
const PACKAGE = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

/**
 * For pages that people read: scripts and data from this host only. Styles may stand in the page, which the reader needs;
 * nothing that somebody typed is ever part of these pages.
 */
export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export const START_SCRIPT = `window.addEventListener('load', () => {
  SwaggerUIBundle({
    url: '/api/openapi.json',
    dom_id: '#reader',
    deepLinking: true,
    docExpansion: 'none',
    displayOperationId: true,
    filter: true,
    persistAuthorization: false,
    showExtensions: true,
    validatorUrl: null,
  });
});
`;

export const READER_PAGE = page(
  'TensorLoop API',
  '<div id="reader"></div>',
  '<link rel="stylesheet" href="/api/docs/assets/swagger-ui.css"><script src="/api/docs/assets/swagger-ui-bundle.js"></script><script src="/api/docs/assets/start.js"></script>',
);

const TEXT_STYLE =
  '<style>body{font:16px/1.6 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}code{font-size:.95em}</style>';

/** `html` is ours. */
export function textPage(title: string, html: string): string {
  return page(title, html, TEXT_STYLE);
}

function page(title: string, body: string, head: string): string {
  const icon = '<link rel="icon" href="/api/docs/assets/favicon-32x32.png">';
  const meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">';
  return `<!doctype html>\n<html lang="en"><head>${meta}<title>${title}</title>${icon}${head}</head><body>${body}</body></html>\n`;
}

/** The folder of the file and what it is, or null for any other name. */
export function findAsset(name: string): { root: string; type: string } | null {
  const type = Object.hasOwn(ASSETS, name) ? ASSETS[name] : undefined;
  return type === undefined ? null : { root: PACKAGE, type };
}
