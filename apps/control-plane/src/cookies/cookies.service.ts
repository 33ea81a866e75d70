import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../config.js';

/** Every cookie of the product. */
export const COOKIES = { session: 'tl_session', google: 'tl_google', code: 'tl_code' } as const;
export type CookieName = keyof typeof COOKIES;

const HEADER_LENGTH_MAX = 8_192;

/** What is used of the framework's request and response. */
export interface CookieRequest {
  headers: { cookie?: string | undefined };
}
export interface CookieResponse {
  cookie(name: string, value: string, options: CookieOptions): unknown;
  clearCookie(name: string, options: CookieOptions): unknown;
}
interface CookieOptions {
  httpOnly: true;
  sameSite: 'lax';
  path: '/';
  secure: boolean;
  maxAge?: number;
}

/**
 * The one place that reads and writes cookies, so that all have the same protection: out of reach of scripts, not sent
 * along by other sites but on a link, and over https `__Host-`: Secure, for this host alone, path "/", so that no sibling
 * domain can set one. Browsers refuse that prefix without https, hence the plain names on a developer's machine.
 */
@Injectable()
export class CookiesService {
  private readonly prefix: string;
  private readonly options: CookieOptions;

  constructor(@Inject(CONFIG) config: Config) {
    const isSecure = config.PUBLIC_URL.startsWith('https://');
    this.prefix = isSecure ? '__Host-' : '';
    this.options = { httpOnly: true, sameSite: 'lax', path: '/', secure: isSecure };
  }

  /** The value as it came, or null. Its form is the caller's to check. */
  read(req: CookieRequest, name: CookieName): string | null {
    const header = req.headers.cookie ?? '';
    if (header.length > HEADER_LENGTH_MAX) return null;
    const start = `${this.prefix}${COOKIES[name]}=`;
    const pair = header.split(/; */).find((part) => part.startsWith(start));
    return pair?.slice(start.length) ?? null;
  }

  write(res: CookieResponse, name: CookieName, { value, maxAgeMs }: { value: string; maxAgeMs: number }): void {
    res.cookie(this.prefix + COOKIES[name], value, { ...this.options, maxAge: maxAgeMs });
  }

  clear(res: CookieResponse, name: CookieName): void {
    res.clearCookie(this.prefix + COOKIES[name], this.options);
  }
}
