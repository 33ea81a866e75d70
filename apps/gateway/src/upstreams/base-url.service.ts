export interface BaseUrl {
  origin: string;
  /** Without a slash at its end. */
  path: string;
}

/** The catalogue's base URLs are few; parsing one costs more than everything else an address needs. */
const PARSED_MAX = 1_000;
const parsed = new Map<string, BaseUrl>();

export function readBaseUrl(text: string): BaseUrl {
  let base = parsed.get(text);
  if (base === undefined) {
    const url = new URL(text);
    base = { origin: url.origin, path: url.pathname.replace(/\/+$/, '') };
    if (parsed.size >= PARSED_MAX) parsed.clear();
    parsed.set(text, base);
  }
  return base;
}
